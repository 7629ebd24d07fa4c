package engine

import (
	"context"
	"time"

	"scp_rdma/control"
)

// dialStagger is how long one address has for itself before the next is tried beside
// it (RFC 8305, 5: 250 ms).
const dialStagger = 250 * time.Millisecond

// dialed is what came of one address.
type dialed struct {
	conn *control.Conn
	err  error
	at   int // in the list
}

// dialFirst connects to the server at the first of its addresses that answers and
// proves to be it. Each is tried a little after the one before, so that one that
// swallows packets holds nothing up. The error is that of the first address.
func dialFirst(ctx context.Context, cfg control.DialConfig, addrs []string) (*control.Conn, error) {
	if len(addrs) < 2 {
		return control.Dial(ctx, cfg)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	came := make(chan dialed)
	try := func(i int) {
		at := cfg
		at.Addr = addrs[i]
		conn, err := control.Dial(ctx, at)
		came <- dialed{conn, err, i}
	}
	var won *control.Conn
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
			timer.Reset(dialStagger)
		case d := <-came:
			running--
			errs[d.at] = d.err
			switch {
			case d.conn == nil:
				timer.Reset(0)
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
