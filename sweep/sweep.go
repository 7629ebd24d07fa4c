package sweep

import (
	"context"
	"errors"
	"slices"

	"scp_rdma/engine"
)

// Setting is what a point is measured with. 0 and "" leave it to the engine.
type Setting struct {
	Streams int    `json:"streams"`
	Slots   int    `json:"slots"`          // of each stream
	Size    int    `json:"size"`           // of a slot, bytes
	Rail    string `json:"rail,omitempty"` // this local one alone
}

// Config describes a sweep.
type Config struct {
	Fixed   Setting // what is set here is not tried otherwise
	Measure func(context.Context, Setting) (*engine.Benched, error)
	// Measuring and Done, if set, hear of each point that begins, and of each series when
	// it is complete.
	Measuring func(Setting)
	Done      func(Series)
}

// Point is one measurement: the settings that it had in the end, which may be less
// than was asked for, since the server has limits.
type Point struct {
	Setting
	Bytes uint64  `json:"bytes"`
	Took  float64 `json:"took_s"`
	Rate  float64 `json:"rate"`    // bytes per second
	Frame float64 `json:"frame_s"` // until 4 KiB were there, checked and released; the median
	Rails []Rail  `json:"rails,omitempty"`
	Error string  `json:"error,omitempty"` // why there is no rate
}

// Rail is what one rail carried of a point.
type Rail struct {
	Local   string  `json:"local"`
	Peer    string  `json:"peer"`
	Streams int     `json:"streams"`
	Rate    float64 `json:"rate"` // bytes per second
}

// Dimension is what differs between the points of a series.
type Dimension string

// The dimensions.
const (
	Sizes   Dimension = "slot size"
	Streams Dimension = "streams"
	Slots   Dimension = "slots"
	Rails   Dimension = "rails"
)

// Series is points that differ in one dimension.
type Series struct {
	Dimension Dimension `json:"dimension"`
	Points    []Point   `json:"points"`
	Chosen    int       `json:"chosen"` // index; -1: all failed
}

// Report is all that a sweep has found.
type Report struct {
	Transport string   `json:"transport"`
	RTT       float64  `json:"rtt_s"` // of the control connection; 0: nobody knows
	Default   Point    `json:"default"`
	Series    []Series `json:"series"`
	Best      Point    `json:"best"`
	// Turns are the rates of the defaults and of the best, measured alternately; none if
	// they are the same.
	Turns []Turn `json:"turns"`
	// Ratio is the defaults' median of these by that of the best.
	Ratio float64 `json:"ratio"`
}

// Turn is one round of the comparison, bytes per second.
type Turn struct {
	Default float64 `json:"default"`
	Best    float64 `json:"best"`
}

// near: of points that reach this part of the best the cheapest is taken. Rates of the
// same settings differ by so much from one second to the next on a quiet host.
const near = 0.97

// turns is how often the defaults and the best are compared.
const turns = 3

// tries are the values of a dimension, the cheapest first.
func tries(d Dimension) []int {
	switch d {
	case Sizes:
		return []int{64 << 10, 256 << 10, 1 << 20, 4 << 20}
	case Streams:
		return []int{1, 2, 4, 8, 16}
	case Slots:
		return []int{2, 4, 8, 16}
	case Rails: // as many as there are
	}
	return nil
}

// of is the field of a setting that a dimension is about.
func (d Dimension) of(s *Setting) *int {
	switch d {
	case Sizes:
		return &s.Size
	case Streams:
		return &s.Streams
	case Slots, Rails: // of rails nobody asks
	}
	return &s.Slots
}

// sweeper is a sweep under way.
type sweeper struct {
	Config
	report Report
	best   Point
	asked  map[Setting]Point
}

// Run measures. The first point must work; later ones may fail, and say why.
func Run(ctx context.Context, c Config) (*Report, error) {
	s := &sweeper{Config: c, asked: map[Setting]Point{}}
	s.report.Series = []Series{} // none is [] to programs
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	for _, d := range []Dimension{Sizes, Streams, Slots} {
		if *d.of(&s.Fixed) != 0 {
			continue
		}
		if err := s.along(ctx, d); err != nil {
			return nil, err
		}
	}
	if err := s.rails(ctx); err != nil {
		return nil, err
	}
	return &s.report, s.compare(ctx)
}

// begin measures what a transfer would take by itself.
func (s *sweeper) begin(ctx context.Context) error {
	b, err := s.measure(ctx, s.Fixed)
	if err != nil {
		return err
	}
	p := newPoint(s.Fixed, b)
	s.best, s.asked[p.Setting] = p, p
	s.report.Transport, s.report.RTT, s.report.Default = b.Transport, b.RTT.Seconds(), p
	return nil
}

// measure is Measure, told before.
func (s *sweeper) measure(ctx context.Context, set Setting) (*engine.Benched, error) {
	if s.Measuring != nil {
		s.Measuring(set)
	}
	return s.Measure(ctx, set)
}

// along tries one dimension, from the best so far.
func (s *sweeper) along(ctx context.Context, d Dimension) error {
	values := append(tries(d), *d.of(&s.best.Setting))
	slices.Sort(values)
	series := Series{Dimension: d}
	for _, v := range slices.Compact(values) {
		set := s.best.Setting
		*d.of(&set) = v
		p, err := s.point(ctx, set)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(series.Points, func(q Point) bool { return p.Error == "" && q.Setting == p.Setting }) {
			series.Points = append(series.Points, p)
		}
	}
	s.finish(series)
	return nil
}

// rails tries each rail alone, if there are several. All together come last: one that
// reaches them alone is enough.
func (s *sweeper) rails(ctx context.Context) error {
	if s.Fixed.Rail != "" || len(s.report.Default.Rails) < 2 {
		return nil
	}
	series := Series{Dimension: Rails}
	for _, r := range s.report.Default.Rails {
		set := s.best.Setting
		set.Rail = r.Local
		p, err := s.point(ctx, set)
		if err != nil {
			return err
		}
		series.Points = append(series.Points, p)
	}
	series.Points = append(series.Points, s.best)
	s.finish(series)
	return nil
}

// finish chooses from a series.
func (s *sweeper) finish(series Series) {
	series.Chosen = choose(series.Points)
	if series.Chosen >= 0 {
		s.best = series.Points[series.Chosen]
	}
	s.report.Series = append(s.report.Series, series)
	if s.Done != nil {
		s.Done(series)
	}
}

// choose is the index of the first point that is near the best; -1 if there is none.
func choose(points []Point) int {
	top := 0.0
	for _, p := range points {
		top = max(top, p.Rate)
	}
	return slices.IndexFunc(points, func(p Point) bool { return p.Error == "" && p.Rate >= near*top })
}

// point measures, unless it was measured before. Its own failure is a result; the end
// of ctx is none.
func (s *sweeper) point(ctx context.Context, set Setting) (Point, error) {
	if p, ok := s.asked[set]; ok {
		return p, nil
	}
	b, err := s.measure(ctx, set)
	if ctx.Err() != nil {
		return Point{}, errors.Join(err, ctx.Err())
	}
	p := Point{Setting: set}
	if err != nil {
		p.Error = err.Error()
	} else {
		p = newPoint(set, b)
	}
	s.asked[set] = p
	return p, nil
}

func newPoint(asked Setting, b *engine.Benched) Point {
	p := Point{
		Setting: Setting{b.Streams, b.Slots, b.SlotSize, asked.Rail},
		Bytes:   b.Bytes, Took: b.Took.Seconds(), Rate: b.Rate(), Frame: b.Frame.Seconds(),
	}
	for _, r := range b.Rails {
		p.Rails = append(p.Rails, Rail{r.Local, r.Peer, r.Streams, float64(r.Bytes) / max(b.Took.Seconds(), 1e-9)})
	}
	return p
}
