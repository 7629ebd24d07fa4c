package model

import (
	"errors"
	"fmt"
	"time"

	"scp_rdma/transport"
)

// Config is one transfer of one large file, and what it goes over.
type Config struct {
	Bytes int64 // of the file

	Rails int
	Rate  float64       // bytes per second of each rail, as its own benchmark gives it (ib_write_bw, iperf)
	Delay time.Duration // one way

	Streams  int   // stream i is on rail i modulo Rails
	Slots    int   // of each stream
	SlotSize int   // data bytes of a slot
	Memory   int64 // what all slots of one end may take, bytes; fewer fit then; 0: no bound

	// Segment is what streams of a rail take turns by, bytes: a few packets.
	Segment int
	// Window is what a stream may have unacknowledged, bytes, where the kernel carries it
	// (TCP): the smaller of congestion window and send buffer. 0: a device does, and
	// takes whatever there are credits for.
	Window int64
	// FirstWindow is what it begins with; it doubles with each round trip. 0: Window.
	FirstWindow int64
	// Trips is how many round trips a session needs before its first and after its last
	// byte.
	Trips int

	// Files is how many are written at once, since the kernel lets one writer at a time
	// into each (engine/receiver_files.go). A session takes large files one after the
	// other (package planner), so it is as many as there are sessions. 0: no bound.
	Files int

	Sender, Receiver Host
	// OneHost: both ends have the sender's cores.
	OneHost bool

	Seed uint64
}

// Host is one end.
type Host struct {
	Cores int // 0: one for each worker
	// Read, Sum, Carry and Write are bytes per second of one core, for the copy out of the
	// page cache, the checksum, the copy into or out of a socket, and the copy into the
	// page cache; 0: that costs no CPU, or is not done.
	Read, Sum, Carry, Write float64
	Frame                   time.Duration // CPU for one frame, whatever its size: posts, completions, calls
	// Disk is bytes per second of all disks of this end together, 0: no bound.
	Disk float64
	// Jitter of each access to the disk, 0 to 1: how much of its time is by chance,
	// exponentially distributed around the same mean.
	Jitter float64
}

const (
	maxStreams = 1024
	maxSlots   = 4096
	maxFrames  = 1 << 24
)

// check refuses what makes no sense.
func (c *Config) check() error {
	positive := func(ok bool, what string) error {
		if ok {
			return nil
		}
		return fmt.Errorf("%s must be positive, and within reason", what)
	}
	err := errors.Join(
		positive(c.Bytes > 0, "bytes"),
		positive(c.Rails > 0 && c.Rails <= maxStreams, "rails"),
		positive(c.Rate > 0, "rate"),
		positive(c.Streams > 0 && c.Streams <= maxStreams, "streams"),
		positive(c.Slots > 0 && c.Slots <= maxSlots, "slots"),
		positive(c.SlotSize > 0 && c.Bytes/int64(c.SlotSize) < maxFrames, "slot size"),
		positive(c.Segment > 0, "segment"),
	)
	if err != nil {
		return err
	}
	if c.Delay < 0 || c.Files < 0 || c.Memory < 0 || c.Trips < 0 || c.Window < 0 || c.FirstWindow < 0 || c.FirstWindow > c.Window {
		return errors.New("delay, files, memory, round trips and windows can't be negative, nor the first window larger than the window")
	}
	for _, h := range []Host{c.Sender, c.Receiver} {
		if least := min(h.Read, h.Sum, h.Carry, h.Write, h.Disk); h.Cores < 0 || h.Frame < 0 || !(least >= 0) { // NaN neither
			return errors.New("cores, times and rates can't be negative")
		}
		if !(h.Jitter >= 0 && h.Jitter <= 1) {
			return fmt.Errorf("jitter of %v is not from 0 to 1", h.Jitter)
		}
	}
	return nil
}

// slots is how many of a stream fit into the memory, at least one: as the engine
// splits its budget (engine/path.go).
func (c *Config) slots() int {
	if c.Memory == 0 {
		return c.Slots
	}
	n := c.Memory / int64(c.Streams) / int64(c.SlotSize+transport.HeadRoom)
	return int(min(max(n, 1), int64(c.Slots)))
}

// Result is what came of it. Shares are of the time in which bytes moved.
type Result struct {
	Frames   uint64
	Took     time.Duration // with the round trips of the session
	Rate     float64       // bytes per second, over Took
	Share    float64       // Rate of what all rails have
	Slots    int           // of each stream, after the memory's bound
	Memory   int64         // bytes of slots of one end
	Held     int64         // most bytes that were in slots at once, from a frame's first byte on the sender to its release
	Blocked  float64       // of the streams' time: waiting for a credit
	Sending  float64       // of the sending workers' time: reading, summing, posting, or in line for a core or the disk
	Writing  float64       // of the receiving workers' time: the same
	Wire     float64       // of the rails' time: carrying
	SendCPU  float64       // cores of the sender that were busy, on average
	RecvCPU  float64       // the same of the receiver
	Locks    float64       // of the files' time: being written
	Source   float64       // of the source's disks' time
	Target   float64       // of the target's
	Credits  uint64        // messages
	Requests uint64        // messages: "writer blocked"
	Answers  uint64        // to them
	Limit    string        // what held it back: the busiest of all
}
