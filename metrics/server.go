package metrics

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"scp_rdma/engine"
)

const (
	// maxConns at once: a few people's browsers with six each, Prometheus twice, probes.
	maxConns = 64
	// maxScrapes at once: a scrape takes milliseconds; two servers of Prometheus are usual.
	maxScrapes = 4
	// Whoever asks is near, and asks for little.
	headerTimeout = 5 * time.Second
	writeTimeout  = 30 * time.Second
	idleTimeout   = 2 * time.Minute // longer than what Prometheus waits between scrapes
	maxHeader     = 16 << 10
	// stopWait is for answers under way when the server ends.
	stopWait = time.Second
	// answerWait is how soon a server that is well says so.
	answerWait = 2 * time.Second
)

// Config is what is shown, and to whom.
type Config struct {
	Read    func() engine.Reading // of a Meter
	Version string
	Dir     string // that the server serves, for people
	Addr    string // where it listens
	// Alive says why clients can't come in; nil if they can.
	Alive func(context.Context) error
	// Stopping says that the server takes no clients any more and waits for those it has.
	Stopping func() bool
	// Quote makes text from peers fit for people: one line of what can be seen.
	Quote func(string) string
	// Names are those of the server, beside its addresses and localhost, under which it
	// may be asked.
	Names []string
	// Public: others than this host's users may ask. They don't see names of files,
	// targets and addresses of clients.
	Public bool
	Logger hclog.Logger
}

// Server answers over HTTP.
type Server struct {
	cfg     Config
	http    *http.Server
	history *history
	started time.Time
	cancel  context.CancelFunc
	wg      sync.WaitGroup
}

// Serve begins to answer on a listener, which is the Server's from now on.
func Serve(ln net.Listener, cfg Config) (*Server, error) {
	s := &Server{cfg: cfg, history: newHistory(), started: time.Now()}
	handler, err := s.handler()
	if err != nil {
		return nil, errors.Join(err, ln.Close())
	}
	s.http = &http.Server{
		Handler: handler, ReadHeaderTimeout: headerTimeout, ReadTimeout: headerTimeout, WriteTimeout: writeTimeout,
		IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeader,
		ErrorLog: cfg.Logger.StandardLogger(&hclog.StandardLoggerOptions{ForceLevel: hclog.Debug}),
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel = cancel
	s.wg.Go(func() { s.sample(ctx) })
	s.wg.Go(func() {
		if err := s.http.Serve(bound(ln, maxConns)); !errors.Is(err, http.ErrServerClosed) {
			cfg.Logger.Error("nothing is shown any more (--metrics)", "error", err)
		}
	})
	return s, nil
}

// Close ends it, and waits until nothing of it is left.
func (s *Server) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), stopWait)
	defer cancel()
	err := s.http.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		err = s.http.Close()
	}
	s.cancel()
	s.wg.Wait()
	return err
}

// sample keeps what the rails carried lately.
func (s *Server) sample(ctx context.Context) {
	tick := time.NewTicker(historyStep)
	defer tick.Stop()
	for {
		s.history.add(time.Now(), s.cfg.Read().Rails)
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// handler is all there is to ask for.
func (s *Server) handler() (http.Handler, error) {
	reg := prometheus.NewRegistry()
	for _, c := range []prometheus.Collector{
		&collector{read: s.cfg.Read, families: families(s.cfg.Version)},
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	} {
		if err := reg.Register(c); err != nil {
			return nil, err
		}
	}
	page, err := pages(s.cfg)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("/metrics", promhttp.HandlerFor(reg, promhttp.HandlerOpts{
		MaxRequestsInFlight: maxScrapes, Timeout: writeTimeout / 2,
	}))
	mux.HandleFunc("/api/status", s.status)
	mux.HandleFunc("/healthz", s.healthz)
	mux.HandleFunc("/readyz", s.readyz)
	for path, p := range page {
		mux.Handle(path, p)
	}
	return guard{names: s.cfg.Names, next: mux}, nil
}

// healthz: a server that stops is well, as long as it does.
func (s *Server) healthz(w http.ResponseWriter, r *http.Request) {
	if s.cfg.Stopping() {
		say(w, http.StatusOK, "stopping")
		return
	}
	s.readyz(w, r)
}

// readyz: whoever takes clients says so by taking a question.
func (s *Server) readyz(w http.ResponseWriter, r *http.Request) {
	switch err := s.answers(r.Context()); {
	case s.cfg.Stopping():
		say(w, http.StatusServiceUnavailable, "stopping")
	case err != nil:
		say(w, http.StatusServiceUnavailable, s.cfg.Quote(err.Error()))
	default:
		say(w, http.StatusOK, "ok")
	}
}

func (s *Server) answers(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, answerWait)
	defer cancel()
	return s.cfg.Alive(ctx)
}

func say(w http.ResponseWriter, code int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(code)
	_, _ = w.Write([]byte(text + "\n")) // who has asked may be gone
}
