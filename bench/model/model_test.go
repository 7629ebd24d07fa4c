package model

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

const (
	mib  = 1 << 20
	gbit = 1e9 / 8
)

// plain is two hosts that cost nothing, and a rail of 100 Gbit/s.
func plain() Config {
	return Config{Bytes: 1 << 30, Rails: 1, Rate: 100 * gbit, Streams: 4, Slots: 4, SlotSize: mib, Segment: mib, Delay: 2 * time.Microsecond}
}

func mustRun(t *testing.T, c Config) Result {
	t.Helper()
	res, err := Run(c)
	if err != nil {
		t.Fatalf("%+v: %v", c, err)
	}
	return res
}

// In simple cases one can say what must come out.
func TestSimpleCasesAreWhatArithmeticSays(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(c *Config)
		want   float64 // bytes per second
		limit  string
	}{
		"the wire":  {func(*Config) {}, 100 * gbit, "wire"},
		"two rails": {func(c *Config) { c.Rails = 2 }, 200 * gbit, "wire"},
		"one slot: one frame for each round trip": {
			func(c *Config) { c.Streams, c.Slots, c.Delay = 1, 1, 10*time.Millisecond }, mib / (mib/(100*gbit) + 0.020), "slots"},
		"slots over a long way": {
			func(c *Config) { c.Streams, c.Slots, c.Delay = 1, 3, 10*time.Millisecond }, 3 * mib / (mib/(100*gbit) + 0.020), "slots"},
		"one slot over TCP": {func(c *Config) { c.Streams, c.Slots, c.Delay, c.Window = 1, 1, 10*time.Millisecond, 8*mib }, mib / (mib/(100*gbit) + 0.020), "slots"},
		"a window over a long way": {
			func(c *Config) { c.Streams, c.Slots, c.Delay, c.Window = 2, 16, 10*time.Millisecond, 2*mib }, 2 * 2 * mib / 0.020, "slots"},
		"the target's disks": {func(c *Config) { c.Receiver.Disk = 3e9 }, 3e9, "target's disks"},
		"disks that take their time by chance": {
			func(c *Config) { c.Receiver.Disk, c.Receiver.Jitter, c.Seed = 3e9, 1, 2 }, 3e9, "target's disks"},
		"the source's disks":   {func(c *Config) { c.Sender.Disk = 2e9 }, 2e9, "source's disks"},
		"the sender's workers": {func(c *Config) { c.Sender.Read, c.Sender.Sum = 4e9, 4e9 }, 4 * 2e9, "sender's workers"},
		"the receiver's workers": {
			func(c *Config) { c.Receiver.Sum, c.Receiver.Write = 4e9, 2e9 }, 4 / (1/4e9 + 1/2e9), "receiver's workers"},
		"one writer to a file": {func(c *Config) { c.Receiver.Sum, c.Receiver.Write, c.Files = 4e9, 2e9, 1 }, 2e9, "one writer to a file"},
		"one writer to each of two files": {
			func(c *Config) { c.Receiver.Sum, c.Receiver.Write, c.Files = 20e9, 2e9, 2 }, 4e9, "one writer to a file"},
		"fewer cores than workers": {func(c *Config) { c.Receiver.Write, c.Receiver.Cores = 2e9, 2 }, 2 * 2e9, "receiver's cores"},
		"both ends on two cores": {
			func(c *Config) { c.Sender.Read, c.Receiver.Write, c.Sender.Cores, c.OneHost = 4e9, 2e9, 2, true }, 2 / (1/4e9 + 1/2e9), "sender's cores"},
		"what a frame costs": {
			func(c *Config) { c.SlotSize, c.Streams, c.Sender.Frame = 64<<10, 1, 20*time.Microsecond }, (64 << 10) / 20e-6, "sender's workers"},
		"memory for one slot each": {
			func(c *Config) { c.Memory, c.Delay, c.Slots = 5*mib, 10*time.Millisecond, 8 }, 4 * mib / (mib/(100*gbit) + 0.020), "slots"},
	} {
		t.Run(name, func(t *testing.T) {
			c := plain()
			tt.change(&c)
			res := mustRun(t, c)
			if math.Abs(res.Rate/tt.want-1) > 0.03 {
				t.Errorf("%.3g bytes/s, want %.3g (%s)", res.Rate, tt.want, res.Limit)
			}
			if res.Limit != tt.limit {
				t.Errorf("held back by %q, want %q: %+v", res.Limit, tt.limit, res)
			}
		})
	}
}

// A window of 64 KiB that doubles needs five round trips until 2 MiB are under way.
func TestAWindowGrows(t *testing.T) {
	c := plain()
	c.Bytes, c.Streams, c.Delay, c.Segment, c.Window, c.FirstWindow = 2*mib, 1, 10*time.Millisecond, 4096, 2*mib, 64<<10
	if took := mustRun(t, c).Took; took < 110*time.Millisecond || took > 120*time.Millisecond {
		t.Errorf("it took %v", took)
	}
}

// chance is a transfer by chance; of half of them the kernel carries the bytes.
func chance(dice *rand.Rand) Config {
	rate := func() float64 {
		if dice.IntN(3) == 0 {
			return 0
		}
		return math.Exp(dice.Float64()*5) * 1e8
	}
	host := func() Host {
		return Host{
			Cores: dice.IntN(4), Read: rate(), Sum: rate(), Carry: rate(), Write: rate(), Disk: rate(), Jitter: dice.Float64(),
			Frame: time.Duration(dice.IntN(3)) * 10 * time.Microsecond,
		}
	}
	c := Config{
		Bytes: 1 + dice.Int64N(16*mib), Rails: 1 + dice.IntN(4), Rate: math.Exp(dice.Float64()*7) * 1e8, Delay: time.Duration(dice.IntN(1e7)),
		Streams: 1 + dice.IntN(9), Slots: 1 + dice.IntN(17), SlotSize: 4096 << dice.IntN(9), Memory: dice.Int64N(2) * dice.Int64N(16*mib),
		Segment: 6000 << dice.IntN(6), Sender: host(), Receiver: host(), OneHost: dice.IntN(4) == 0, Seed: dice.Uint64(), Trips: dice.IntN(9), Files: dice.IntN(3),
	}
	if dice.IntN(2) == 0 {
		c.Window = 1 + dice.Int64N(4*mib)
		c.FirstWindow = dice.Int64N(c.Window + 1)
	}
	return c
}

// hold checks what holds for every transfer.
func hold(t *testing.T, c Config) Result {
	t.Helper()
	res := mustRun(t, c)
	frames := (c.Bytes + int64(c.SlotSize) - 1) / int64(c.SlotSize)
	slots := int64(c.Streams) * int64(res.Slots)
	switch {
	case res.Frames != uint64(frames):
		t.Errorf("%d frames of %d", res.Frames, frames)
	case res.Share > 1.000001 || res.Wire > 1.000001:
		t.Errorf("%v of the wire, which was busy for %v of the time", res.Share, res.Wire)
	case res.Held > slots*int64(c.SlotSize), res.Held > res.Memory:
		t.Errorf("%d bytes in %d slots of %d", res.Held, slots, c.SlotSize)
	case c.Memory > 0 && res.Slots > 1 && res.Memory > c.Memory:
		t.Errorf("%d bytes of slots, %d are allowed", res.Memory, c.Memory)
	case res.Target > 1.000001, res.Source > 1.000001, res.Sending > 1.000001, res.Writing > 1.000001, res.Blocked > 1.000001:
		t.Errorf("busy for longer than it took: %+v", res)
	case !c.OneHost && c.Sender.Cores > 0 && res.SendCPU > float64(c.Sender.Cores)*1.000001:
		t.Errorf("%v of %d cores", res.SendCPU, c.Sender.Cores)
	case res.Requests != res.Answers, res.Credits > res.Frames:
		t.Errorf("%d requests, %d answers, %d credits for %d frames", res.Requests, res.Answers, res.Credits, res.Frames)
	}
	if t.Failed() {
		t.Logf("%+v", c)
	}
	return res
}

func TestWhateverTheHostsNothingIsLostAndNothingStandsStill(t *testing.T) {
	dice := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		c := chance(dice)
		res := hold(t, c)
		if again := mustRun(t, c); again != res {
			t.Errorf("not the same again: %+v, %+v", res, again)
		}
		if t.Failed() {
			return
		}
	}
}

// FuzzRun: the same for whatever a fuzzer thinks of.
func FuzzRun(f *testing.F) {
	f.Add(uint64(1), uint64(2))
	f.Add(uint64(7), uint64(0))
	f.Fuzz(func(t *testing.T, a, b uint64) { hold(t, chance(rand.New(rand.NewPCG(a, b)))) })
}

// Another seed moves what depends on chance, by little, and nothing else.
func TestChanceComesFromTheSeedAlone(t *testing.T) {
	c := plain()
	c.Receiver.Disk, c.Receiver.Jitter = 20e9, 1
	a := mustRun(t, c)
	c.Seed = 1
	b := mustRun(t, c)
	if a == b || math.Abs(a.Rate/b.Rate-1) > 0.02 {
		t.Errorf("%v, with another seed %v", a.Rate, b.Rate)
	}
	c.Receiver.Jitter = 0
	a = mustRun(t, c)
	c.Seed = 2
	if b = mustRun(t, c); a != b {
		t.Errorf("without chance %+v, with another seed %+v", a, b)
	}
}

// More slots never make it slower, but for credits that come in larger batches: up
// to 4 slots there is one for each frame, and then one for each quarter of the ring.
func TestMoreSlotsAreNeverSlower(t *testing.T) {
	dice := rand.New(rand.NewPCG(3, 4))
	for range 20 {
		c := chance(dice)
		c.Rails, c.Segment = 1, max(c.SlotSize/4, 1) // a stream that has a rail of its own while others share one ends early
		c.Memory, c.Sender.Jitter, c.Receiver.Jitter, c.Bytes = 0, 0, 0, int64(c.SlotSize)*int64(c.Streams)*64
		var last float64
		for _, c.Slots = range []int{1, 2, 4, 8, 16} {
			rate := mustRun(t, c).Rate
			if rate < 0.97*last {
				t.Fatalf("%d slots: %.4g bytes/s, with half as many %.4g: %+v", c.Slots, rate, last, c)
			}
			last = max(last, rate)
		}
	}
}

func TestWhatMakesNoSenseIsRefused(t *testing.T) {
	for want, change := range map[string]func(c *Config){
		"bytes must":       func(c *Config) { c.Bytes = 0 },
		"rails must":       func(c *Config) { c.Rails = 0 },
		"rate must":        func(c *Config) { c.Rate = math.NaN() },
		"streams must":     func(c *Config) { c.Streams = maxStreams + 1 },
		"slots must":       func(c *Config) { c.Slots = -1 },
		"slot size must":   func(c *Config) { c.SlotSize = 1 },
		"segment must":     func(c *Config) { c.Segment = 0 },
		"first window":     func(c *Config) { c.FirstWindow = 1 },
		"delay, files":     func(c *Config) { c.Delay = -1 },
		"cores, times":     func(c *Config) { c.Receiver.Sum = -1 },
		"jitter of 2 is":   func(c *Config) { c.Sender.Jitter = 2 },
		"jitter of NaN is": func(c *Config) { c.Sender.Jitter = math.NaN() },
	} {
		c := plain()
		change(&c)
		if _, err := Run(c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q: %v", want, err)
		}
	}
}
