package control

import (
	"errors"
	"time"
)

// Heard is when something came from the peer last.
func (c *Conn) Heard() time.Time { return time.Unix(0, c.heard.Load()) }

// RTT is the shortest round trip that was seen; 0: nobody knows.
func (c *Conn) RTT() time.Duration { return minRTT(c.raw) }

// Broken says whether nothing can be sent any more, for another reason than Close or
// Abort.
func (c *Conn) Broken() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err != nil && !errors.Is(c.err, ErrClosed)
}
