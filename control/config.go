package control

import (
	"errors"
	"time"

	"github.com/hashicorp/go-hclog"
)

// Config is what a control connection can be told. Zero fields take the default.
type Config struct {
	Keepalive time.Duration // ping after so long without sending; 0: 1 s, a third of Timeout if that is less
	Timeout   time.Duration // give the peer up after so long without a byte from it; 0: 30 s. Less than 2 s is too little: peers ping each second
	Handshake time.Duration // for the whole of connecting, preambles, TLS and proofs; 0: 10 s
	Logger    hclog.Logger  // nil: silent
}

func (c Config) withDefaults() Config {
	if c.Timeout == 0 {
		c.Timeout = defaultTimeout
	}
	if c.Keepalive == 0 {
		c.Keepalive = min(time.Second, c.Timeout/3)
	}
	if c.Handshake == 0 {
		c.Handshake = 10 * time.Second
	}
	if c.Logger == nil {
		c.Logger = hclog.NewNullLogger()
	}
	return c
}

// BusyError says that the server has no room for this client now; later it may.
type BusyError struct{ Text string } // its own words

// Error implements error.
func (e *BusyError) Error() string { return "the server is busy: " + e.Text }

const (
	// MaxQueued is the most that may wait to be written, bytes: a net under the
	// engine's window, whose 8192 entries need 4 MiB when all names are 255 bytes long.
	MaxQueued = 64 << 20
	// closeWait bounds the wait for queued messages to be written at Close.
	closeWait = 3 * time.Second
	// lingerWait bounds the wait for the peer's end of the connection after the
	// last word: three round trips of the slowest links we know.
	lingerWait = time.Second
	// DefaultPending: connections that have proved nothing, at once. Each costs a
	// goroutine, a descriptor and up to 30 KiB for TLS (measured): 15 MiB in all.
	DefaultPending = 512
	// maxRefusals bounds those that are just being told that there is no room.
	maxRefusals = 32
	// wayDead: a peer whose kernel acknowledges nothing for so long can't be reached this
	// way. One that is frozen or slow still acknowledges, and has Timeout. It is what
	// data over TCP waits for too, so that both give a cut cable up at the same time.
	wayDead = 4 * time.Second
	// looks at the connection while nothing may be acknowledged.
	looks = 4
	// readBuffer is what one read takes, and the step in which a message grows.
	readBuffer = 64 << 10
	// defaultTimeout is Config.Timeout where it is 0.
	defaultTimeout = 30 * time.Second
	// writePiece is what must be taken within defaultTimeout, and as much less within a
	// shorter one: 9 KB/s.
	writePiece = 256 << 10
	minPiece   = 4 << 10
)

var (
	// ErrVersion: the two sides speak different versions of the protocol.
	ErrVersion = errors.New("protocol versions differ")
	// ErrSilent: nothing was heard from the peer for Timeout.
	ErrSilent = errors.New("peer is silent")
	// ErrQueueFull: more than MaxQueued bytes wait to be written.
	ErrQueueFull = errors.New("too much is queued for the peer")
	// ErrDropped: a server ended the handshake without a word. It may be that it is
	// none of ours, or that too many knock at its door.
	ErrDropped = errors.New("it closed the connection without a word")
	// errConfig: a key or the will to do without one is missing.
	errConfig = errors.New("neither a key nor no-auth is configured")
	// ErrClosed: this side closed the connection.
	ErrClosed = errors.New("control connection closed")
)
