package control

import (
	"context"
	"time"
)

const (
	// dialStagger is how long one address has for itself before the next is tried beside
	// it (RFC 8305, 5: 250 ms).
	dialStagger = 250 * time.Millisecond
	// lastResort is how long all others have before DialConfig.Last is tried beside them:
	// three times what a handshake takes on a way of 300 ms.
	lastResort = 3 * time.Second
)

// dialed is what came of one address.
type dialed struct {
	conn *Conn
	err  error
	at   int // in the list
}

// race connects to the server at the first of its addresses that answers and proves to
// be it. Each is tried a little after the one before, so that one that swallows packets
// holds nothing up; the last resort when all others have failed or had their time. The
// error is that of the first address.
func race(ctx context.Context, cfg DialConfig) (*Conn, error) {
	addrs, others := cfg.Addrs, len(cfg.Addrs)
	if cfg.Last != "" {
		addrs = append(addrs[:others:others], cfg.Last)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	came := make(chan dialed)
	try := func(i int) {
		at := cfg
		at.Addr = addrs[i]
		conn, err := dialOne(ctx, at)
		came <- dialed{conn, err, i}
	}
	var won *Conn
	errs := make([]error, len(addrs))
	timer := time.NewTimer(0)
	defer timer.Stop()
	begun, running := 0, 0
	for running > 0 || won == nil && begun < len(addrs) {
		select {
		case <-timer.C:
			if won != nil || begun == len(addrs) {
				continue
			}
			go try(begun) // it is waited for: came takes what it brings
			begun, running = begun+1, running+1
			if begun < others {
				timer.Reset(dialStagger)
			} else {
				timer.Reset(lastResort)
			}
		case d := <-came:
			running--
			errs[d.at] = d.err
			switch {
			case d.conn == nil:
				if begun < others || running == 0 {
					timer.Reset(0)
				}
			case won == nil && d.err == nil:
				won = d.conn
				cancel()
			default:
				d.conn.Abort()
			}
		}
	}
	if won != nil {
		return won, nil
	}
	return nil, errs[0]
}
