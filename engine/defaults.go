package engine

import (
	"time"

	"github.com/hashicorp/go-hclog"

	"scp_rdma/transport"
	"scp_rdma/wire"
)

const (
	// DefaultSlotSize: data bytes of a slot.
	DefaultSlotSize = 1 << 20
	// DefaultWindow: entries open at once. Two thousand would keep four streams
	// of full bundles busy; empty files need more, and each costs under 1 KiB on either side.
	DefaultWindow = 8192
	// DefaultMemory is for all slots of a session, bytes: SendConfig.Memory.
	DefaultMemory = transport.UsualMemory
	// DefaultSessionMemory is what one session's slots may take at a server:
	// twice what a client of ours asks for.
	DefaultSessionMemory = 2 * DefaultMemory
	// DefaultTotalMemory is for the slots of all sessions, bytes: sixteen full ones.
	DefaultTotalMemory = 2 << 30
	// DefaultSessions at once: beyond a few dozen a disk only seeks more.
	DefaultSessions = 64
	// DefaultPath: bytes of a path; 4000 levels of the longest names. Each level
	// costs the server some memory until its directory is done.
	DefaultPath = 1 << 20
	// DefaultFiles begun at once, of one session: an honest sender begins no more
	// than there are frames under way, which is 64 streams with 8 slots each.
	DefaultFiles = 1024
	// MaxStreams of a session.
	MaxStreams = 64

	// fitFrames: so many frames per stream make a small transfer overlap at its two
	// ends; fitSlot, bytes, is a frame that is still worth its own cost.
	fitFrames = 4
	fitSlot   = 64 << 10

	// busyPause is the first pause before a busy server is asked again, each
	// further one is longer, up to busyPauseMax; up to half is taken off at random.
	busyPause    = 500 * time.Millisecond
	busyPauseMax = 10 * time.Second
	// maxDropped: so often a server is asked again that ends the handshake without
	// a word, 3 s in all at most: that is how one under a flood looks.
	maxDropped   = 5
	droppedPause = 100 * time.Millisecond

	// helloTimeout covers each step of the greeting.
	helloTimeout = 15 * time.Second
	// connectTimeout is for one candidate of one stream, so that a rail that
	// swallows packets costs no more than that before the next one is tried.
	connectTimeout = 8 * time.Second
	// reasonWait: when a stream breaks, the reason usually follows on control.
	reasonWait = 2 * time.Second
)

func (l Limits) withDefaults() Limits {
	if l.Streams == 0 {
		l.Streams = MaxStreams
	}
	if l.Memory == 0 {
		l.Memory = DefaultSessionMemory
	}
	if l.SlotSize == 0 {
		l.SlotSize = transport.MaxSlotSize
	}
	if l.Window == 0 {
		l.Window = DefaultWindow
	}
	if l.Path == 0 {
		l.Path = DefaultPath
	}
	if l.Files == 0 {
		l.Files = DefaultFiles
	}
	if l.Greeting == 0 {
		l.Greeting = helloTimeout
	}
	return l
}

// told is what the other side hears of them.
func (l Limits) told() wire.Limits {
	return wire.Limits{
		Streams: uint32(l.Streams), SlotSize: uint32(l.SlotSize), Window: uint32(l.Window),
		Slots: uint32(max(l.Memory/int64(DefaultSlotSize+transport.HeadRoom), 1)),
	}
}

func loggerOr(l hclog.Logger) hclog.Logger {
	if l == nil {
		return hclog.NewNullLogger()
	}
	return l
}

// Software is what a Hello says of this program.
const Software = "scp_rdma"
