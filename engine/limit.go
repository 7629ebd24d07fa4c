package engine

import (
	"context"

	"golang.org/x/time/rate"
)

// burst is how much of a limited rate may come at once, bytes: one frame of the largest
// slots waits for itself alone.
const burst = 1 << 20

// Limiter limits bytes per second, of everybody who has it together.
type Limiter = rate.Limiter

// NewLimiter limits bytes per second, of everybody who has it together; 0: not at all, until
// SetLimit does.
func NewLimiter(bytesPerSecond int64) *Limiter {
	return rate.NewLimiter(rateOf(bytesPerSecond), burst)
}

// SetLimit limits to another number of bytes per second from now on; 0: no longer.
func SetLimit(l *Limiter, bytesPerSecond int64) { l.SetLimit(rateOf(bytesPerSecond)) }

func rateOf(bytesPerSecond int64) rate.Limit {
	if bytesPerSecond == 0 {
		return rate.Inf
	}
	return rate.Limit(bytesPerSecond)
}

// pace waits until n bytes may pass.
func pace(ctx context.Context, l *Limiter, n int) error {
	for l != nil && n > 0 {
		if err := l.WaitN(ctx, min(n, burst)); err != nil {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return err
		}
		n -= burst
	}
	return nil
}
