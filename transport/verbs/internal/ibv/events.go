package ibv

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// events waits for a descriptor of the library in Go's poller. It has a
// duplicate of its own, so that the library and os.File don't close the same
// number twice; both share O_NONBLOCK, which belongs to the open file.
type events struct {
	file *os.File
	mu   sync.Mutex // one waiter at a time: the deadline is the file's

	closed atomic.Bool
}

func newEvents(fd int, name string) (*events, error) {
	if err := unix.SetNonblock(fd, true); err != nil {
		return nil, fmt.Errorf("set %s non-blocking: %w", name, err)
	}
	dup, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("dup %s: %w", name, err)
	}
	e := &events{file: os.NewFile(uintptr(dup), name)}
	if err := e.file.SetReadDeadline(time.Time{}); err != nil {
		// A file that the poller can't watch would block a thread and ignore the context.
		return nil, fmt.Errorf("watch %s: %w", name, errors.Join(err, e.file.Close()))
	}
	return e, nil
}

// wait calls take until it returns something else than EAGAIN, and waits for
// the descriptor in between. It ends with ctx, and with os.ErrClosed after close.
func (e *events) wait(ctx context.Context, take func() unix.Errno) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	raw, err := e.file.SyscallConn()
	if err != nil {
		return os.ErrClosed
	}
	if err := e.file.SetReadDeadline(time.Time{}); err != nil {
		return os.ErrClosed // nothing else can go wrong with a file that the poller watches
	}
	done := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		// It fails only on a closed file, where nobody waits any more.
		_ = e.file.SetReadDeadline(time.Unix(1, 0))
		close(done)
	})
	errno := unix.EAGAIN
	err = raw.Read(func(uintptr) bool {
		errno = take()
		return errno != unix.EAGAIN
	})
	if !stop() {
		<-done // or it would end the next wait
	}
	switch {
	case e.closed.Load() && errno != 0:
		return os.ErrClosed // in RawConn the poller has an error of its own for it
	case err != nil && ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		return err
	case errno != 0:
		return errno
	}
	return nil
}

// close ends a wait in progress and returns when it is over.
func (e *events) close() {
	e.closed.Store(true)
	// Only a second close fails, which changes nothing.
	_ = e.file.Close()
	e.mu.Lock()
	defer e.mu.Unlock()
}
