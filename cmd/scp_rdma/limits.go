package main

import (
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"scp_rdma/control"
	"scp_rdma/engine"
)

// limits bounds what clients may cost a server.
type limits struct {
	handshakes int
	handshake  time.Duration
	sessions   int
	perKey     int
	memory     int64
	streams    int
	slots      int64
	entries    int
	path       int64
	files      int
}

const (
	defaultHandshake = 10 * time.Second
	defaultPerKey    = 16 // where several share a server
)

// limitFlags declares the flags, each with the reason for its default.
func (o *options) limitFlags() *pflag.FlagSet {
	f := newFlagSet()
	l := &o.limits
	f.IntVar(&l.handshakes, "max-handshakes", control.DefaultPending, "at most `N` connections that have proved no key yet; beyond, the oldest of the address that has most must go")
	f.DurationVar(&l.handshake, "handshake-timeout", defaultHandshake, "at most `DUR` for a handshake with its proofs: four round trips of a slow link to a loaded server take less")
	f.IntVar(&l.sessions, "max-sessions", engine.DefaultSessions, "at most `N` sessions at once: more only make disks seek")
	f.IntVar(&l.perKey, "max-sessions-per-key", 0, "at most `N` sessions of one key at once, which leaves room for others (none: 16 with --authorized; all, where there is one key)")
	sizeVar(f, &l.memory, "max-memory", engine.DefaultTotalMemory, "at most `SIZE` for the slots of all sessions, which share it: sixteen full ones")
	sizeVar(f, &l.slots, "session-memory", engine.DefaultSessionMemory, "at most `SIZE` for the slots of a session: twice what a client asks for by itself")
	f.IntVar(&l.streams, "max-streams", engine.MaxStreams, "at most `N` streams in a session, 1 to 64: what -j takes")
	f.IntVar(&l.entries, "max-entries", engine.DefaultWindow, "at most `N` entries of a session announced and not done: enough to keep all streams busy with empty files, 1 KiB each")
	sizeVar(f, &l.path, "max-path", engine.DefaultPath, "at most `SIZE` bytes in a path: 4000 levels of the longest names")
	f.IntVar(&l.files, "max-open-files", engine.DefaultFiles, "at most `N` files of a session begun and not ended: twice what the frames of 64 streams can begin")
	return f
}

// checkLimits finds limits that nobody could work under.
func (o *options) checkLimits() error {
	l := &o.limits
	for _, n := range []struct {
		flag  string
		value int64
		least int64
	}{
		{"max-handshakes", int64(l.handshakes), 1}, {"max-sessions", int64(l.sessions), 1}, {"max-sessions-per-key", int64(l.perKey), 0},
		{"max-streams", int64(l.streams), 1}, {"max-entries", int64(l.entries), 1}, {"max-open-files", int64(l.files), 1},
		{"max-path", l.path, 1}, {"session-memory", l.slots, minSessionMemory}, {"max-memory", l.memory, minSessionMemory},
	} {
		if n.value < n.least {
			return usagef("--%s: it takes %d or more", n.flag, n.least)
		}
	}
	switch {
	case l.streams > maxStreams:
		return usagef("--max-streams %d: it takes 1 to %d", l.streams, maxStreams)
	case l.handshake < time.Second:
		return usagef("--handshake-timeout %v: it takes 1s or more", l.handshake)
	}
	return nil
}

// minSessionMemory is what a session needs to be worth having.
const minSessionMemory = 16 << 20

// session is what one session may have.
func (l *limits) session() engine.Limits {
	return engine.Limits{
		Streams: l.streams, Memory: l.slots, Window: l.entries, Path: int(l.path), Files: l.files, Greeting: l.handshake,
	}
}

// all is what all sessions may have together.
func (l *limits) all(severalKeys bool) engine.Quota {
	perKey := l.perKey
	if perKey == 0 && severalKeys {
		perKey = defaultPerKey
	}
	return engine.Quota{Sessions: l.sessions, PerKey: perKey, Memory: l.memory}
}

// secondsValue is a time as a number of seconds, 0.1 to 3600.
type secondsValue time.Duration

func (v secondsValue) duration() time.Duration { return time.Duration(v) }

// String implements pflag.Value.
func (v *secondsValue) String() string {
	return strconv.FormatFloat(v.duration().Seconds(), 'f', -1, 64)
}

// Type implements pflag.Value.
func (*secondsValue) Type() string { return "T" }

// Set implements pflag.Value.
func (v *secondsValue) Set(s string) error {
	n, err := strconv.ParseFloat(s, 64)
	if err != nil || !(n >= 0.1 && n <= 3600) {
		return usagef("%s: seconds are a number from 0.1 to 3600", quote(s))
	}
	*v = secondsValue(n * float64(time.Second))
	return nil
}

// sizeVar declares a flag that is a number of bytes.
func sizeVar(f *pflag.FlagSet, p *int64, name string, value int64, usage string) {
	*p = value
	f.Var((*sizeValue)(p), name, usage)
}

// sizeValue is a number of bytes: 4096, 64K, 128M, 2G (IEC: K is 1024).
type sizeValue int64

const sizeUnits = "KMGT"

// String implements pflag.Value.
func (v *sizeValue) String() string {
	n, unit := int64(*v), ""
	for i := range len(sizeUnits) {
		if n == 0 || n%1024 != 0 {
			break
		}
		n, unit = n/1024, sizeUnits[i:i+1]
	}
	return strconv.FormatInt(n, 10) + unit
}

// Type implements pflag.Value.
func (*sizeValue) Type() string { return "SIZE" }

// Set implements pflag.Value.
func (v *sizeValue) Set(s string) error {
	digits, shift := s, 0
	if s != "" {
		if at := strings.IndexByte(sizeUnits, s[len(s)-1]); at >= 0 {
			digits, shift = s[:len(s)-1], 10*(at+1)
		}
	}
	n, err := strconv.ParseUint(digits, 10, 63)
	if err != nil || n > (1<<62)>>shift {
		return usagef("%s: a size is a number of bytes, or one with K, M, G or T, like 64M", quote(s))
	}
	*v = sizeValue(n << shift)
	return nil
}
