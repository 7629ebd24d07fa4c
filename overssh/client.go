package overssh

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os/exec"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/yamux"
)

// ErrSSH: ssh itself failed, or found nothing to start.
var ErrSSH = errors.New("the other end could not be started over ssh")

// Config says how to start the other end.
type Config struct {
	Command []string // ssh and its options
	Host    string   // [user@]host
	Program string   // what to start there
	Request Request
	Stderr  io.Writer    // for what ssh and the other end say to people
	Logger  hclog.Logger // nil: silent
}

// Session is another end that was started, until Close.
type Session struct {
	Answer  Answer
	Forward string // host:port of this host that leads to the server's port, through the pipe

	cmd    *exec.Cmd
	out    io.ReadCloser
	in     io.WriteCloser
	mux    *yamux.Session
	ln     net.Listener
	work   sync.WaitGroup
	ended  chan struct{} // closed when ssh has ended
	err    error         // of ssh; once it has
	once   sync.Once
	logger hclog.Logger
}

// endWait is how long ssh may take to end once its input has.
const endWait = 5 * time.Second

// Start runs ssh and has the other end serve. used is called when something goes through
// the pipe for the first time.
func Start(ctx context.Context, cfg Config, used func()) (*Session, error) {
	line, err := arguments(cfg.Command, cfg.Host, cfg.Program)
	if err != nil {
		return nil, fmt.Errorf("%q: %w", cfg.Host, err)
	}
	s := &Session{ended: make(chan struct{}), logger: cfg.Logger}
	if s.logger == nil {
		s.logger = hclog.NewNullLogger()
	}
	s.logger.Debug("starting the other end", "command", line)
	s.cmd = exec.Command(line[0], line[1:]...) //nolint:gosec,noctx // the user's own command; Close ends it, for a session says goodbye through it
	s.cmd.Stderr, s.cmd.WaitDelay = cfg.Stderr, endWait
	if s.in, err = s.cmd.StdinPipe(); err == nil {
		s.out, err = s.cmd.StdoutPipe()
	}
	if err == nil {
		err = s.cmd.Start()
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSSH, err)
	}
	if err := s.begin(ctx, cfg, used); err != nil {
		return nil, err
	}
	return s, nil
}

// begin swaps words, and opens the way through the pipe.
func (s *Session) begin(ctx context.Context, cfg Config, used func()) error {
	// It may wait for a password until then.
	defer context.AfterFunc(ctx, func() { _ = s.cmd.Process.Kill() })()
	// An ssh that has ended takes no request; why shows when the answer does not come.
	errSay := say(s.in, magicRequest, cfg.Request)
	var err error
	if s.Answer, err = readAnswer(s.out); err != nil {
		return s.failed(ctx, cfg, errors.Join(err, errSay))
	}
	if s.Answer.Error != "" {
		_ = s.in.Close() // it has said all
		_, _ = io.Copy(io.Discard, s.out)
		_ = s.cmd.Wait()
		return nil
	}
	if s.mux, err = yamux.Client(&pipe{s.out, s.in}, muxConfig(s.logger)); err == nil {
		s.ln, err = (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	}
	if err != nil {
		return s.failed(ctx, cfg, err)
	}
	s.Forward = s.ln.Addr().String()
	s.work.Go(func() { s.forward(used) })
	go func() { // ends with ssh; Close waits for it
		<-s.mux.CloseChan()
		s.err = s.cmd.Wait()
		close(s.ended)
	}()
	return nil
}

// failed ends ssh, and says what is wrong with it.
func (s *Session) failed(ctx context.Context, cfg Config, err error) error {
	_ = s.in.Close()
	if errors.Is(err, ErrSpeech) {
		_ = s.cmd.Process.Kill() // whatever it is, it is not ours
	}
	_, _ = io.Copy(io.Discard, s.out)
	end := s.cmd.Wait()
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("%w: %w", ErrSSH, context.Cause(ctx))
	case errors.Is(err, ErrSpeech):
		return fmt.Errorf("%w: %s says something else than scp_rdma there (a login script that talks?): %w", ErrSSH, cfg.Host, err)
	case !errors.As(end, &exit):
		return fmt.Errorf("%w: it ended before %s said where it serves: %w", ErrSSH, cfg.Program, err)
	}
	switch exit.ExitCode() {
	case 255:
		return fmt.Errorf("%w: ssh has not reached %s or was not let in (its own words are above): exit code 255", ErrSSH, cfg.Host)
	case 126, 127:
		return fmt.Errorf("%w: %s has no program %s: install scp_rdma there, or say where it is: --remote-path", ErrSSH, cfg.Host, cfg.Program)
	}
	return fmt.Errorf("%w: %s ended on %s before it said where it serves (is it an older version?): %w", ErrSSH, cfg.Program, cfg.Host, exit)
}

// forward hands connections to the loopback port through the pipe.
func (s *Session) forward(used func()) {
	var first sync.Once
	for {
		c, err := s.ln.Accept()
		if err != nil {
			return // Close
		}
		st, err := s.mux.OpenStream()
		if err != nil {
			s.logger.Info("no way through ssh", "error", err)
			_ = c.Close()
			continue
		}
		first.Do(used)
		s.work.Go(func() { carry(c.(*net.TCPConn), st) })
	}
}

// Ended is closed when ssh has ended.
func (s *Session) Ended() <-chan struct{} { return s.ended }

// Close ends the other end, and waits for ssh.
func (s *Session) Close() error {
	if s.mux == nil {
		return nil // it did not serve
	}
	s.once.Do(func() {
		_ = s.ln.Close()
		_ = s.mux.Close() // and the pipe with it
		s.work.Wait()
	})
	select {
	case <-s.ended:
	case <-time.After(endWait): // the other end does not let go
		_ = s.cmd.Process.Kill()
		<-s.ended
	}
	return s.err
}
