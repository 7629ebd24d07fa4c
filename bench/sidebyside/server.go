package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// How long a server may take to listen and to end, and how it is found out
// that it is quiet.
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
func startServer(ctx context.Context, r rival, p place) (*server, error) {
	if r.server == nil {
		return nil, nil
	}
	made, err := r.server(ctx, p)
	if err != nil {
		return nil, err
	}
	s := &server{undo: made.undo, done: make(chan struct{})}
	if err := s.start(ctx, made.command, p); err != nil {
		return nil, errors.Join(fmt.Errorf("server: %w", err), s.stop())
	}
	up := func() bool { return ctx.Err() != nil || s.ended() || listens(p.port) }
	if !poll(startLimit, 5*time.Millisecond, up) || s.ended() || ctx.Err() != nil {
		err := fmt.Errorf("server: does not listen: %s", tail(s.log))
		return nil, errors.Join(err, ctx.Err(), s.stop())
	}
	return s, nil
}

// start starts the process, in a cgroup of its own where that can be. An
// interrupt does not reach it: stop ends it, in any case.
func (s *server) start(ctx context.Context, c command, p place) error {
	log, err := os.Create(p.private + "/server.log")
	if err != nil {
		return err
	}
	s.log = log
	cmd := c.exec(context.WithoutCancel(ctx), log)
	if g, err := newCgroup(fmt.Sprintf("sidebyside-%d-%s", os.Getpid(), p.port)); err == nil {
		s.group = g
		cmd.SysProcAttr.UseCgroupFD, cmd.SysProcAttr.CgroupFD = true, int(g.fd.Fd())
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	s.cmd = cmd
	go func() {
		defer close(s.done)
		_ = cmd.Wait() // it is stopped by a signal
	}()
	return nil
}

// exec prepares a command in a process group of its own, which the end of ctx kills.
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
	return err == nil && c.Close() == nil
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
	if s != nil && s.group != nil {
		if d, err := s.group.used(); err == nil {
			return d
		}
	}
	return used(s.pids())
}

// quiet waits until the server no longer works, two seconds at most, and gives
// what it has used until then.
func (s *server) quiet() time.Duration {
	last := time.Duration(-1)
	poll(quietLimit, quietPause, func() bool {
		now := s.used()
		still := s == nil || last >= 0 && now-last < quietEnough
		last = now
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
		poll(stopLimit, time.Millisecond, s.ended)
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
	return strings.TrimSpace(string(p[:n]))
}
