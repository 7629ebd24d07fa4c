package main

import (
	"context"
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// signalError ends a run that was interrupted.
type signalError struct{ syscall.Signal }

// Error implements error.
func (e signalError) Error() string { return "interrupted (" + unix.SignalName(e.Signal) + ")" }

// interruptible makes a context that the first signal from ch ends, with the
// signal as its cause. The second one ends the program at once: exit gets its
// code. The caller calls stop when the run is over; after it exit isn't called.
func interruptible(ch <-chan os.Signal, exit func(code int)) (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancelCause(context.Background())
	done, over := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(over)
		for again := false; ; again = true {
			select {
			case s := <-ch:
				err := signalError{s.(syscall.Signal)} // os.Signal is nothing else on Unix
				if again {
					exit(exitFor(err))
					return
				}
				cancel(err)
			case <-done:
				return
			}
		}
	}()
	return ctx, func() {
		close(done)
		<-over
		cancel(nil)
	}
}

// interrupted is the signal that ended ctx, if one did.
func interrupted(ctx context.Context) (signalError, bool) {
	var sig signalError
	ok := errors.As(context.Cause(ctx), &sig)
	return sig, ok
}
