package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// How long a server may take to listen and to end, and how it is asked whether
// it is quiet.
const (
	startLimit  = 15 * time.Second
	stopLimit   = 5 * time.Second
	quietLimit  = 2 * time.Second
	quietPause  = 50 * time.Millisecond
	quietEnough = time.Millisecond // of CPU time in a pause
)

// server is a running server of a rival; nil is none, which uses nothing.
type server struct {
	cmd   *exec.Cmd
	group *cgroup // nil: there are none here
	log   *os.File
	undo  func() error
	done  chan struct{} // closed when the first process has ended
}

// freePort finds a port of loopback that nobody has.
func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("free port: %w", err)
	}
	_, port, err := net.SplitHostPort(l.Addr().String())
	if cerr := l.Close(); err == nil {
		err = cerr
	}
	return port, err
}

// startServer starts what r has for a server and waits until it listens.
func startServer(ctx context.Context, r rival, p place, id string) (*server, error) {
	if r.server == nil {
		return nil, nil
	}
	made, err := r.server(ctx, p)
	if err != nil {
		return nil, err
	}
	s := &server{undo: made.undo, done: make(chan struct{})}
	if s.log, err = os.Create(p.private + "/server.log"); err != nil {
		return nil, errors.Join(fmt.Errorf("server: %w", err), s.stop())
	}
	s.cmd = made.exec(context.WithoutCancel(ctx), s.log)
	if g, err := newCgroup(fmt.Sprintf("sidebyside-%d-%s", os.Getpid(), id)); err == nil {
		s.group = g
		s.cmd.SysProcAttr.UseCgroupFD, s.cmd.SysProcAttr.CgroupFD = true, int(g.fd.Fd())
	}
	if err := s.cmd.Start(); err != nil {
		s.cmd = nil
		return nil, errors.Join(fmt.Errorf("server: %w", err), s.stop())
	}
	go func() {
		defer close(s.done)
		_ = s.cmd.Wait() // it is stopped by a signal
	}()
	if !poll(startLimit, 5*time.Millisecond, func() bool { return ctx.Err() != nil || s.ended() || listens(p.port) }) || s.ended() || ctx.Err() != nil {
		err := fmt.Errorf("server: does not listen: %s", tail(s.log))
		return nil, errors.Join(err, ctx.Err(), s.stop())
	}
	return s, nil
}

// exec prepares a command in a process group of its own.
func (c command) exec(ctx context.Context, out *os.File) *exec.Cmd {
	cmd := exec.CommandContext(ctx, c.argv[0], c.argv[1:]...)
	cmd.Env = c.env
	cmd.Stdout, cmd.Stderr = out, out // a file: no goroutine of ours copies
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	return cmd
}

// listens says whether somebody takes connections.
func listens(port string) bool {
	c, err := net.DialTimeout("tcp", "127.0.0.1:"+port, time.Second)
	if err != nil {
		return false
	}
	return c.Close() == nil
}

// ended says whether the first process has ended.
func (s *server) ended() bool {
	select {
	case <-s.done:
		return true
	default:
		return false
	}
}

// pids lists the server's processes.
func (s *server) pids() []int {
	switch {
	case s == nil:
		return nil
	case s.group != nil:
		return s.group.pids()
	}
	return family(s.cmd.Process.Pid)
}

// used is the CPU time of the server until now.
func (s *server) used() time.Duration {
	switch {
	case s == nil:
		return 0
	case s.group != nil:
		if d, err := s.group.used(); err == nil {
			return d
		}
	}
	return used(s.pids())
}

// quiet waits until the server no longer works, for two seconds at most, and
// gives what it has used until then.
func (s *server) quiet() time.Duration {
	last := s.used()
	if s == nil {
		return last
	}
	first := true
	poll(quietLimit, quietPause, func() bool {
		now := s.used()
		still := now-last < quietEnough && !first
		last, first = now, false
		return still
	})
	return last
}

// stop ends the server with all that it started, and takes back what was made for it.
func (s *server) stop() error {
	if s == nil {
		return nil
	}
	var errs []error
	if s.cmd != nil {
		_ = s.cmd.Process.Signal(syscall.SIGTERM) // it may have ended by itself
		limit := time.NewTimer(stopLimit)
		defer limit.Stop()
		select {
		case <-s.done:
		case <-limit.C:
		}
		_ = syscall.Kill(-s.cmd.Process.Pid, syscall.SIGKILL) // most often nobody is left
		<-s.done
	}
	if s.group != nil {
		errs = append(errs, s.group.remove())
	}
	if s.log != nil {
		errs = append(errs, s.log.Close())
	}
	if s.undo != nil {
		errs = append(errs, s.undo())
	}
	return errors.Join(errs...)
}

// tail is the end of what was written into a file.
func tail(f *os.File) string {
	const most = 600
	st, err := f.Stat()
	if err != nil {
		return ""
	}
	p := make([]byte, most)
	n, _ := f.ReadAt(p, max(0, st.Size()-most)) // short: then that is all
	return string(p[:n])
}
