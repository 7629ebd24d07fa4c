package localfs

import (
	"context"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// Pipe is a file that was opened by somebody else, mostly one end of a pipe: stdin or stdout.
// Whoever waits for its other end can be called back, and the flags of the file, which other
// processes share, stay as they are.
type Pipe struct {
	file *os.File // the caller's, kept from being closed by its finalizer
	fd   int
	own  bool // fd is ours, and not the file's
	most int  // bytes that can be written at once, once there is room
}

// safeWrite is what fits a pipe of which poll(2) says that there is room (PIPE_BUF), and at
// most what other kinds of files are given at once that may make us wait.
const safeWrite = 4096

// OpenPipe takes a file to read from, or to write to. The file stays the caller's.
func OpenPipe(f *os.File, write bool) (*Pipe, error) {
	p := &Pipe{file: f, fd: int(f.Fd()), most: safeWrite} // Fd makes it wait only if this process had made it otherwise
	var st unix.Stat_t
	if err := fstat(p.fd, &st); err != nil {
		return nil, fmt.Errorf("stat: %w", err)
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		return nil, unix.EISDIR
	case unix.S_IFREG, unix.S_IFBLK:
		p.most = maxWrite
	case unix.S_IFIFO:
		if !write {
			break
		}
		// Opened anew it is a file of our own that need not wait. Who may not goes the slow way.
		fd, err := openAgain(p.fd, unix.O_WRONLY|unix.O_NONBLOCK)
		if err == nil {
			p.own, p.fd, p.most = true, fd, maxWrite
		}
	}
	return p, nil
}

// maxWrite is what is written at once where that does not wait for anybody, bytes.
const maxWrite = 1 << 20

// Close ends what OpenPipe began.
func (p *Pipe) Close() error {
	if !p.own {
		return nil
	}
	return closeFD(p.fd)
}

// Read waits for bytes and reads some: io.EOF once there will be none any more, ctx's reason
// if that ends before.
func (p *Pipe) Read(ctx context.Context, b []byte) (int, error) {
	for {
		if err := p.wait(ctx, unix.POLLIN); err != nil {
			return 0, err
		}
		n, err := eintrInt(func() (int, error) { return unix.Read(p.fd, b) })
		switch {
		case err == unix.EAGAIN: // somebody has made it so, or was faster
		case err != nil:
			return 0, err
		case n == 0:
			return 0, io.EOF
		default:
			return n, nil
		}
	}
}

// Write writes all of b, or says how much it has written until it failed or ctx ended. unix.EPIPE:
// nobody reads any more.
func (p *Pipe) Write(ctx context.Context, b []byte) (int, error) {
	done := 0
	for done < len(b) {
		if err := p.wait(ctx, unix.POLLOUT); err != nil {
			return done, err
		}
		n, err := eintrInt(func() (int, error) { return unix.Write(p.fd, b[done:min(len(b), done+p.most)]) })
		switch {
		case err == unix.EAGAIN:
		case err != nil:
			return done, err
		default:
			done += n
		}
	}
	return done, nil
}

// wait waits until there is something to read, or room to write. An end of the other side is
// for the call that follows to find.
func (p *Pipe) wait(ctx context.Context, events int16) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	fds := []unix.PollFd{{Fd: int32(p.fd), Events: events}}
	if n, err := unix.Poll(fds, 0); err == nil && n > 0 {
		return nil // mostly: no need to be called back
	}
	wake, call, err := bell()
	if err != nil {
		return err
	}
	defer wake.close()
	stop := context.AfterFunc(ctx, call)
	defer stop()
	fds = append(fds, unix.PollFd{Fd: int32(wake.fd), Events: unix.POLLIN})
	if _, err := eintrInt(func() (int, error) { return unix.Poll(fds, -1) }); err != nil {
		return fmt.Errorf("poll: %w", err)
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}
