package engine_test

import (
	"fmt"
	"testing"
	"time"

	"scp_rdma/engine"
	"scp_rdma/keys"
	"scp_rdma/localfs"
	"scp_rdma/transport/transporttest"
)

// laggard makes one part of a transfer slow: each thing of its kind takes so much longer.
type laggard struct {
	next, read, write, name, wire time.Duration
	limit                         int64
}

func lag(d time.Duration) {
	if d > 0 {
		<-time.After(d)
	}
}

// offer is a source that is slow.
type slowOffer struct {
	engine.Offer
	l laggard
}

func (s slowOffer) Next() (*localfs.Entry, error) { lag(s.l.next); return s.Offer.Next() }

func (s slowOffer) ReadFile(e *localfs.Entry, p []byte) error {
	lag(s.l.read)
	return s.Offer.ReadFile(e, p)
}

func (s slowOffer) Open(e *localfs.Entry) (localfs.SourceFile, error) {
	f, err := s.Offer.Open(e)
	return slowFile{f, s.l}, err
}

type slowFile struct {
	localfs.SourceFile
	l laggard
}

func (f slowFile) ReadAt(p []byte, off int64) error {
	lag(f.l.read)
	return f.SourceFile.ReadAt(p, off)
}

// slowSink is a target that is slow.
type slowSink struct {
	engine.Sink
	l laggard
}

func (s slowSink) PutFile(p localfs.Put, data []byte) error {
	lag(s.l.name)
	return s.Sink.PutFile(p, data)
}

func (s slowSink) CreateFile(p localfs.Put) (localfs.PendingFile, error) {
	f, err := s.Sink.CreateFile(p)
	return slowPending{f, s.l}, err
}

type slowPending struct {
	localfs.PendingFile
	l laggard
}

func (f slowPending) WriteAt(p []byte, off int64) error {
	lag(f.l.write)
	return f.PendingFile.WriteAt(p, off)
}

// times is so much of it: what a busy machine adds may be as much as a little.
func (l laggard) times(n int) laggard {
	more := func(d time.Duration) time.Duration { return time.Duration(int64(d) * int64(n)) }
	return laggard{more(l.next), more(l.read), more(l.write), more(l.name), more(l.wire), l.limit / int64(n)}
}

// mostLag: a transfer that is held up by so many times the usual is long by that.
const mostLag = 16

// transfer sends a directory, or fetches one, with a laggard in its place.
func (l laggard) transfer(t *testing.T, kind func(*kit), files map[string]string, fetches, limitThere bool) *engine.Report {
	t.Helper()
	dir := t.TempDir()
	write(t, dir, files)
	var mine, theirs *engine.Limiter
	if l.limit > 0 && limitThere {
		theirs = engine.NewLimiter(l.limit)
	} else if l.limit > 0 {
		mine = engine.NewLimiter(l.limit)
	}
	k := start(t, kind, func(k *kit) {
		k.limit = theirs
		k.faults.slots, k.faults.size = 2, 64<<10
		if plan := (transporttest.Plan{Delay: l.wire}); fetches { // of those who send
			k.dst, k.faults.server = dir, plan
			k.source = func(o engine.Offer) engine.Offer { return slowOffer{o, l} }
		} else {
			k.faults.client = plan
			k.sink = func(s engine.Sink) engine.Sink { return slowSink{s, l} }
		}
	})
	var r *engine.Report
	var err error
	if fetches {
		root, openErr := localfs.OpenRoot(t.TempDir(), false)
		if openErr != nil {
			t.Fatal(openErr)
		}
		t.Cleanup(func() { _ = root.Close() })
		_, r, _, err = k.fetch([]string{"."}, func(c *engine.FetchConfig) {
			c.Limit = mine
			c.NewSink = func(o localfs.SinkOptions) (engine.Sink, error) {
				s, err := root.SinkAt(keys.Holder{}.Dir, o)
				return slowSink{s, l}, err
			}
		})
	} else {
		r, _, err = k.push(slowOffer{contents(t, dir), l}, func(c *engine.SendConfig) { c.Limit = mine })
	}
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Who has sent all there is waits for the receiver, and what holds that up is the cause:
// also while streams look whether all has arrived.
func TestWhatHoldsUpTheLastFramesIsNamed(t *testing.T) {
	for name, kind := range kinds() {
		k := start(t, kind)
		write(t, k.dst, map[string]string{"f": noise(3 << 20)})
		for n := int64(1); ; n *= 2 {
			_, r, _, err := k.fetch([]string{"f"}, func(c *engine.FetchConfig) { c.Limit, c.Streams = engine.NewLimiter(3<<20/n), 4 })
			if err != nil {
				t.Fatal(err)
			}
			// Two frames wait for a third of a second each; all of the sender's wait for both.
			shares := r.Times.Shares()
			if shares.Cause() == engine.CauseLimit && r.Times.Sender[engine.DoingAnswers] > time.Second {
				break
			}
			if n >= mostLag/2 {
				t.Fatalf("%s: cause %d, shares %.2f\nsender %v\nreceiver %v", name, shares.Cause(), shares, r.Times.Sender, r.Times.Receiver)
			}
		}
	}
}

// What is slowed down is what is said to have held a transfer up, whichever way it goes.
func TestWhatIsSlowIsNamed(t *testing.T) {
	large := map[string]string{"a": noise(2 << 20), "b": noise(2 << 20)}
	small := map[string]string{}
	for i := range 60 {
		small[fmt.Sprintf("d/%d", i)] = "x"
	}
	for _, tt := range []struct {
		name       string
		files      map[string]string
		lag        laggard
		limitThere bool
		want       engine.Cause
	}{
		{"the walk", small, laggard{next: 5 * time.Millisecond}, false, engine.CauseWalk},
		{"the source", large, laggard{read: 8 * time.Millisecond}, false, engine.CauseSource},
		{"the way", large, laggard{wire: 20 * time.Millisecond}, false, engine.CauseWay},
		{"the disk", large, laggard{write: 8 * time.Millisecond}, false, engine.CauseDisk},
		{"the names", small, laggard{name: 8 * time.Millisecond}, false, engine.CauseFiles},
		{"a limit here", large, laggard{limit: 6 << 20}, false, engine.CauseLimit},
		{"a limit there", large, laggard{limit: 6 << 20}, true, engine.CauseLimit},
	} {
		for name, kind := range kinds() {
			for _, fetches := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s over %s, fetching %v", tt.name, name, fetches), func(t *testing.T) {
					t.Parallel()
					var r *engine.Report
					for n := 1; ; n *= 2 {
						r = tt.lag.times(n).transfer(t, kind, tt.files, fetches, tt.limitThere)
						shares := r.Times.Shares()
						got := shares.Cause()
						if got == tt.want {
							break
						}
						if n >= mostLag {
							t.Fatalf("cause %d, want %d: shares %.2f\nsender %v\nreceiver %v", got, tt.want, shares, r.Times.Sender, r.Times.Receiver)
						}
					}
					if r.Times.Window == 0 || r.Times.Receiver.Sum() == 0 {
						t.Errorf("%+v", r.Times)
					}
				})
			}
		}
	}
}

func TestTheCauseIsWhatHasMostByFar(t *testing.T) {
	const s = time.Second
	type spent = engine.Spent
	for name, tt := range map[string]struct {
		sender, receiver spent
		want             engine.Cause
	}{
		"nothing":                       {spent{}, spent{}, engine.CauseUnclear},
		"only the source":               {spent{engine.DoingRead: s}, spent{engine.DoingFrames: s}, engine.CauseSource},
		"credits, a disk":               {spent{engine.DoingCredits: 8 * s, engine.DoingRead: s}, spent{engine.DoingWrite: 9 * s, engine.DoingSum: s}, engine.CauseDisk},
		"credits, a busy receiver":      {spent{engine.DoingCredits: 8 * s}, spent{engine.DoingWrite: 2 * s, engine.DoingSum: 5 * s}, engine.CauseReceiver},
		"credits, names":                {spent{engine.DoingCredits: 8 * s}, spent{engine.DoingFiles: 5 * s, engine.DoingWrite: s}, engine.CauseFiles},
		"credits, but it waits as well": {spent{engine.DoingCredits: 5 * s, engine.DoingSend: s}, spent{engine.DoingFrames: 6 * s}, engine.CauseWay},
		"credits, of an older receiver": {spent{engine.DoingCredits: 5 * s}, spent{}, engine.CauseUnclear},
		"a limit at both ends":          {spent{engine.DoingCredits: 5 * s, engine.DoingLimit: 2 * s}, spent{engine.DoingLimit: 6 * s}, engine.CauseLimit},
		"answers":                       {spent{engine.DoingAnswers: 5 * s, engine.DoingSum: s}, spent{}, engine.CauseFiles},
		"answers, and it writes":        {spent{engine.DoingAnswers: 5 * s}, spent{engine.DoingWrite: 5 * s, engine.DoingFrames: s}, engine.CauseDisk},
		"answers, and it has nothing":   {spent{engine.DoingAnswers: 5 * s}, spent{engine.DoingFrames: 5 * s}, engine.CauseFiles},
		"spare":                         {spent{engine.DoingIdle: 90 * s, engine.DoingRead: s}, spent{}, engine.CauseSource},
		"streams":                       {spent{engine.DoingJoin: 5 * s}, spent{}, engine.CauseJoin},
		"encryption":                    {spent{engine.DoingSum: 5 * s, engine.DoingRead: 2 * s}, spent{}, engine.CauseSender},
		"two of a size":                 {spent{engine.DoingRead: 5 * s, engine.DoingSend: 4 * s}, spent{}, engine.CauseUnclear},
		"many small ones":               {spent{engine.DoingRead: 3 * s, engine.DoingSend: 2 * s, engine.DoingWalk: 2 * s, engine.DoingSum: 2 * s}, spent{}, engine.CauseUnclear},
		"after the end":                 {spent{engine.DoingEnd: 90 * s, engine.DoingWalk: 5 * s, engine.DoingRead: s}, spent{}, engine.CauseWalk},
		"a liar": {spent{engine.DoingRead: 1 << 60, engine.DoingSend: 1 << 60, engine.DoingSum: 1 << 60, engine.DoingWalk: 1 << 60,
			engine.DoingLimit: 1 << 60, engine.DoingJoin: 1 << 60, engine.DoingCredits: 1 << 60, engine.DoingAnswers: 1 << 60}, spent{}, engine.CauseUnclear},
	} {
		times := engine.Times{Sender: tt.sender, Receiver: tt.receiver}
		shares := times.Shares()
		if got := shares.Cause(); got != tt.want {
			t.Errorf("%s: cause %d, want %d: %.2f", name, got, tt.want, shares)
		}
		sum := 0.0
		for _, part := range shares {
			sum += part
		}
		if sum > 1.0001 {
			t.Errorf("%s: %.2f of the time", name, sum)
		}
	}
}

// Each stream tells what it does while it does it, and the sum is what they ran for.
func TestAWatcherSeesTheStreams(t *testing.T) {
	for name, kind := range kinds() {
		for _, fetches := range []bool{false, true} {
			k := start(t, kind)
			dir := t.TempDir()
			write(t, dir, map[string]string{"f": noise(3 << 20)})
			var w *watch
			var err error
			if fetches {
				write(t, k.dst, map[string]string{"f": noise(3 << 20)})
				_, _, w, err = k.fetch([]string{"f"})
			} else {
				_, w, err = k.push(contents(t, dir))
			}
			if err != nil {
				t.Fatal(err)
			}
			snap := w.snapshot()
			var bytes uint64
			for _, s := range snap.Streams {
				bytes += s.Bytes
				if s.Doing != engine.DoingEnd || s.Joined != 1 || s.Rail == "" || s.Spent.Sum() <= 0 {
					t.Errorf("%s, fetching %v: %+v", name, fetches, s)
				}
			}
			if !fetches && (len(snap.Streams) != 2 || bytes != 3<<20) || fetches && len(snap.Streams) != 0 {
				t.Errorf("%s, fetching %v: %d streams with %d bytes", name, fetches, len(snap.Streams), bytes)
			}
		}
	}
}
