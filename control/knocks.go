package control

import (
	"errors"
	"net"
	"sync"
	"time"
)

// knocks thins out what is said of peers without the right key: an operator
// wants to hear of it, and not of every one of thousands.
type knocks struct {
	mu     sync.Mutex
	last   time.Time
	untold int
}

// knockPause is how long nothing more is said after a word.
const knockPause = time.Second

// tell says whether to speak of one more, and of how many nothing was said.
func (k *knocks) tell(now time.Time) (untold int, speak bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if now.Sub(k.last) < knockPause {
		k.untold++
		return 0, false
	}
	untold, k.untold, k.last = k.untold, 0, now
	return untold, true
}

// tell says why somebody was not let in.
func (l *Listener) tell(nc net.Conn, err error) {
	if errors.Is(err, ErrAuth) {
		if n, speak := l.knocks.tell(time.Now()); speak {
			l.cfg.Logger.Warn("not let in", "peer", nc.RemoteAddr(), "error", err, "untold", n)
			return
		}
	}
	l.cfg.Logger.Info("not let in", "peer", nc.RemoteAddr(), "error", err)
}
