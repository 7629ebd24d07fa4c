package sweep

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"scp_rdma/engine"
)

// fabric is two hosts in numbers: what each setting carries there.
type fabric struct {
	rails    []string
	rate     func(Setting) float64 // bytes per second
	fail     func(Setting) error
	measured []Setting
}

// measure is what engine.Bench would do: 2 streams of 8 slots of 1 MiB by itself, and
// never more than 8 slots.
func (f *fabric) measure(_ context.Context, s Setting) (*engine.Benched, error) {
	f.measured = append(f.measured, s)
	if s.Streams == 0 {
		s.Streams = 2
	}
	if s.Slots == 0 || s.Slots > 8 {
		s.Slots = 8
	}
	if s.Size == 0 {
		s.Size = 1 << 20
	}
	if f.fail != nil {
		if err := f.fail(s); err != nil {
			return nil, err
		}
	}
	b := &engine.Benched{
		Transport: "mem", Streams: s.Streams, Slots: s.Slots, SlotSize: s.Size, RTT: 20 * time.Microsecond,
		Frame: time.Microsecond, Bytes: uint64(f.rate(s)), Took: time.Second,
	}
	for _, r := range f.rails {
		if s.Rail == "" || s.Rail == r {
			b.Rails = append(b.Rails, engine.BenchedRail{Local: r, Peer: "<" + r + ">", Streams: 1, Bytes: b.Bytes / uint64(len(f.rails))})
		}
	}
	return b, nil
}

func (f *fabric) run(t *testing.T, fixed Setting) (*Report, []Series) {
	t.Helper()
	var done []Series
	r, err := Run(t.Context(), Config{Fixed: fixed, Measure: f.measure, Done: func(s Series) { done = append(done, s) }})
	if err != nil {
		t.Fatal(err)
	}
	return r, done
}

// rising is a fabric that wants 4 MiB, 8 streams and 4 slots: more gives little more.
func rising(s Setting) float64 {
	return 1e9 * float64(min(s.Streams, 8)) * float64(min(s.Slots, 4)) * (1 + float64(s.Size)/(4<<20)) * (1 + float64(s.Streams)/1e5)
}

func TestTheCheapestOfTheBestIsFound(t *testing.T) {
	f := &fabric{rails: []string{"a"}, rate: rising}
	r, done := f.run(t, Setting{})
	if want := (Setting{Streams: 8, Slots: 4, Size: 4 << 20}); r.Best.Setting != want {
		t.Errorf("best: %+v, want %+v", r.Best.Setting, want)
	}
	if r.Enough() || r.Ratio > 0.2 || len(r.Turns) != turns || r.Rate() != r.Best.Rate {
		t.Errorf("%+v", r)
	}
	if a := r.Advice(); a != r.Best.Setting {
		t.Errorf("advice %+v", a)
	}
	if len(done) != 3 || len(done[2].Points) != 3 { // 16 slots are 8 in the end, which were there
		t.Errorf("%+v", done)
	}
	seen := map[Setting]int{}
	for _, s := range f.measured {
		seen[s]++
	}
	for s, n := range seen {
		if n > 1+turns || n > 1 && s != r.Best.Setting && s != r.Default.Setting {
			t.Errorf("%+v was measured %d times", s, n)
		}
	}
}

func TestDefaultsThatAreGoodEnoughStay(t *testing.T) {
	flat := &fabric{rails: []string{"a"}, rate: func(s Setting) float64 { return 1e9 + float64(s.Size)/1e6 }}
	if r, _ := flat.run(t, Setting{}); !r.Enough() || r.Advice() != (Setting{}) || r.Best.Streams != 1 {
		t.Errorf("%+v", r)
	}
	own := &fabric{rails: []string{"a"}, rate: func(s Setting) float64 {
		if s == (Setting{Streams: 2, Slots: 8, Size: 1 << 20}) {
			return 2e9
		}
		return 1e9
	}}
	if r, _ := own.run(t, Setting{}); !r.Enough() || len(r.Turns) != 0 || r.Rate() != 2e9 {
		t.Errorf("%+v", r)
	}
}

func TestWhatIsFixedIsNotTried(t *testing.T) {
	f := &fabric{rails: []string{"a", "b"}, rate: rising}
	r, done := f.run(t, Setting{Streams: 3, Slots: 5, Size: 8192, Rail: "a"})
	if len(done) != 0 || len(f.measured) != 1 || !r.Enough() {
		t.Errorf("%+v, %+v", f.measured, r)
	}
	if b, err := json.Marshal(r); err != nil || !strings.Contains(string(b), `"series":[],`) || !strings.Contains(string(b), `"turns":[]`) {
		t.Errorf("%s, %v", b, err)
	}
}

func TestARailThatIsBetterAloneIsAdvised(t *testing.T) {
	f := &fabric{rails: []string{"fast", "slow"}, rate: func(s Setting) float64 {
		return map[string]float64{"": 1e9, "fast": 2e9, "slow": 1e8}[s.Rail]
	}}
	r, done := f.run(t, Setting{})
	last := done[len(done)-1]
	if last.Dimension != Rails || len(last.Points) != 3 || last.Chosen != 0 || r.Advice().Rail != "fast" {
		t.Errorf("%+v", last)
	}
}

func TestAPointThatFailsIsNoEnd(t *testing.T) {
	lost := errors.New("no memory")
	f := &fabric{rails: []string{"a"}, rate: rising, fail: func(s Setting) error {
		if s.Size > 1<<20 || s.Streams > 4 {
			return lost
		}
		return nil
	}}
	r, done := f.run(t, Setting{})
	if p := done[0].Points[3]; p.Error != lost.Error() || p.Size != 4<<20 || p.Rate != 0 {
		t.Errorf("%+v", p)
	}
	if r.Best.Size != 1<<20 || r.Best.Streams != 4 {
		t.Errorf("%+v", r.Best)
	}
	f.fail = func(Setting) error { return lost }
	if _, err := Run(t.Context(), Config{Measure: f.measure}); !errors.Is(err, lost) {
		t.Errorf("nothing works: %v", err)
	}
}

func TestASweepEndsWhereItIsInterrupted(t *testing.T) {
	for after := 1; after < 18; after += 4 {
		ctx, cancel := context.WithCancel(t.Context())
		n := 0
		f := &fabric{rails: []string{"a", "b"}, rate: rising, fail: func(Setting) error {
			if n++; n == after {
				cancel()
			}
			return ctx.Err()
		}}
		if _, err := Run(ctx, Config{Measure: f.measure}); !errors.Is(err, context.Canceled) || n != after {
			t.Errorf("after %d: %d measured, %v", after, n, err)
		}
	}
}

func TestThePageShowsEachPointAndTrustsNoName(t *testing.T) {
	f := &fabric{rails: []string{"a", "b"}, rate: rising, fail: func(s Setting) error {
		if s.Streams == 16 {
			return errors.New("<script>no</script>")
		}
		return nil
	}}
	r, _ := f.run(t, Setting{})
	var b strings.Builder
	p := Page{Title: "bench <host>", Facts: "facts", Result: []string{"use this"}, Report: r}
	if err := p.HTML(&b); err != nil {
		t.Fatal(err)
	}
	text := b.String()
	points := 0
	for _, s := range r.Series {
		points += len(s.Points)
	}
	if n := strings.Count(text, "<rect "); n != points-1 { // one has failed
		t.Errorf("%d bars, want %d", n, points-1)
	}
	for _, want := range []string{"bench &lt;host&gt;", "&lt;script&gt;no", "&lt;b&gt;", "use this", `class="chosen"`, fmt.Sprintf("%.2f Gbit/s", r.Best.Rate*8/1e9)} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing", want)
		}
	}
	if strings.Contains(text, "<script") || strings.Contains(text, "ZgotmplZ") {
		t.Error("what is not to be trusted is in it as it came")
	}
}
