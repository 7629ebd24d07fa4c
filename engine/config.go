package engine

import (
	"context"
	"time"

	"github.com/hashicorp/go-hclog"

	"scp_rdma/control"
	"scp_rdma/keys"
	"scp_rdma/localfs"
	"scp_rdma/transport"
	"scp_rdma/wire"
)

// Source is where entries and their bytes come from; localfs.Source is one.
// Next is called by one goroutine, the other methods by any.
type Source interface {
	// Next walks on. io.EOF: the walk is over. Trouble with single entries goes
	// to the source's own problem callback, not through this error.
	Next() (*localfs.Entry, error)
	// Open opens a file for reading ranges. A file that is no longer what the
	// entry says Is localfs.ErrChanged.
	Open(e *localfs.Entry) (localfs.SourceFile, error)
	// ReadFile fills p, which is as long as e.Size, with the whole file: open,
	// compare, read, compare again, close.
	ReadFile(e *localfs.Entry, p []byte) error
	// Restat is e as the file is now, for sending it once more.
	Restat(e *localfs.Entry) (*localfs.Entry, error)
	// Path is the entry's name for people: as the user typed the source, and below.
	Path(e *localfs.Entry) string
	// Below is its path from what holds the argument on, or from the argument on, where that
	// stands for its contents.
	Below(e *localfs.Entry) string
	// Identity lists the directories that are the sources, for a receiver on
	// the same host to see that its target lies inside one.
	Identity() (bootID []byte, dirs []localfs.FileID)
	// Name is 32 bytes that are the same for the same arguments on the same host.
	Name() []byte
	// Rewind has Next begin anew. Nothing of what was walked is used any more.
	Rewind() error
}

// Offer is what a server sends from; localfs.Source is one.
type Offer interface {
	Source
	Tops() []localfs.Top
	Close() error
}

// Sink is where files are put; localfs.Sink is one. All methods may be called
// by several goroutines at once.
type Sink interface {
	Resolve(t localfs.Target) (localfs.Base, error)
	// Mkdir makes a directory, or opens the one that is there.
	Mkdir(parent *localfs.Dir, name string) (*localfs.Dir, error)
	// FinishDir gives a directory its metadata, when all in it is done.
	FinishDir(d *localfs.Dir, m localfs.Meta) error
	// PutFile makes a whole file at once.
	PutFile(p localfs.Put, data []byte) error
	// CreateFile begins a file that arrives in pieces.
	CreateFile(p localfs.Put) (localfs.PendingFile, error)
	// Symlink makes or replaces a symbolic link.
	Symlink(dir *localfs.Dir, name, text string, m localfs.Meta) error
	// Link makes one more name for the first committed file of the group. It
	// returns false if there is no such file to link to: its bytes are needed.
	Link(p localfs.Put) (bool, error)
	// Peek says what is there under a name, of whatever kind; false: nothing is.
	Peek(parent *localfs.Dir, name string) (localfs.Found, bool, error)
	// List gives what lies in a directory of the session, Reopen opens one that was finished,
	// and Remove removes what is in it.
	List(d *localfs.Dir) ([]localfs.Listed, error)
	Reopen(base *localfs.Dir, names []string, id localfs.FileID) (*localfs.Dir, error)
	Remove(d *localfs.Dir, name string, r *localfs.Removal) error
	// Look says what file is there already under the name; false: none is.
	Look(p localfs.Put) (localfs.Found, bool, error)
	// Settle gives that file the metadata of p. One that has changed meanwhile Is localfs.ErrChanged.
	Settle(p localfs.Put, f localfs.Found) error
	// OpenFound opens it for reading.
	OpenFound(p localfs.Put, f localfs.Found) (localfs.SourceFile, error)
	// OpenHalf opens the half of a file that an earlier session has left, CreateHalf
	// begins one: files that outlive the session.
	OpenHalf(p localfs.Put) (localfs.HalfFile, []byte, error)
	CreateHalf(p localfs.Put) (localfs.HalfFile, error)
	// Forget removes what is left of such a file that is there whole by now.
	Forget(p localfs.Put)
	// Mark leaves a few bytes beside a directory, for Target.Continues; Unmark removes them.
	Mark(parent *localfs.Dir, name string, b []byte) error
	Unmark(parent *localfs.Dir, name string)
	DirID(d *localfs.Dir) (localfs.FileID, error)
	// Free is how many bytes the target's file system has left.
	Free() (uint64, error)
	// Path is the target's directory as the host knows it; "" if it doesn't.
	Path() string
	Dropped() localfs.Dropped
	// Sync has all of it on the disk, if that was asked for.
	Sync() error
	// Close frees handles and removes what the session kept hidden.
	Close() error
}

// State is what a server remembers between its starts; state.Store is one.
type State interface {
	// Secret is known to no client.
	Secret() keys.Key
	// Begin notes, on the disk, that a session writes below an absolute path, until end.
	Begin(path, source string) (end func(), err error)
	// Suspect says whether the host went down while one was writing there.
	Suspect(path string) bool
	// Settled says that what such a session of the same source left there is right now.
	Settled(path, source string)
}

// SendConfig describes one transfer to a server.
type SendConfig struct {
	Server control.DialConfig
	Wait   time.Duration // how long to ask a busy server again and again; 0: not at all

	Transports     *transport.Registry // most preferred first
	RetryFor       time.Duration       // how long to try again once every stream is gone; 0: DefaultRetryFor, less than 0: not at all
	EveryRail      bool                // a rail on which no stream comes about is an error: the user has named it
	Streams        int                 // 0: by cores, by rails and what they carry, and the length of the way
	StreamsPerRail int                 // so many times the rails, where Streams is 0; 0: not so
	Slots          int                 // slots of each stream; 0: from Memory
	Memory         int64               // bytes for all slots, where their number is not given; 0: what is usual
	SlotSize       int                 // bytes; 0: DefaultSlotSize
	Window         int                 // entries open at once; 0: DefaultWindow
	NoChecksum     bool
	Encrypt        bool     // every frame is sealed
	Limit          *Limiter // of what is sent; nil: none

	Source Source
	Target localfs.Target

	Owner, NumericIDs, Xattr, ACL bool   // what to ask the server for
	SetUser, SetGroup             string // owner and group that all gets, by name or number; "": not this one
	Fsync                         bool   // nil from Send also means that all is on the server's disk

	Compare      wire.Compare  // how files that are there are known to be the same
	ModifyWindow time.Duration // times that differ by no more are equal
	Verify       bool          // the server reads each file back from its disk
	Choose       wire.Choose   // which entries are wanted
	Backup       string        // what is replaced keeps its name with this behind it; "": it goes
	Delete       Delete
	Digest       wire.SumKind // what the server tells of each file, which it reads once more for it
	Touch        bool         // a source that is itself what the server has of it shows that by its ctime
	Settler      Settler      // nil: nobody is told
	Dry          bool         // nothing is sent, and nothing changes: it is only told what would be

	Observer Observer     // nil: nobody watches
	Logger   hclog.Logger // nil: silent
}

// Delete is whether, once all has arrived, what the sender does not have goes from the
// directories that it has.
type Delete struct {
	Wanted bool
	Max    int64    // entries; less than 0: any number
	Filter []string // rules of what is not touched: those that leave out something at the source
	// Clean says whether nothing of the source was left out that should be there. If
	// something was, nothing goes. nil: it is so.
	Clean func() bool
}

// into writes it into an Open.
func (d *Delete) into(o *wire.Open) {
	if o.Delete = d.Wanted; !d.Wanted {
		return
	}
	if d.Max >= 0 {
		o.MaxDelete = d.Max + 1
	}
	o.Filter = asBytes(d.Filter)
}

// ServeConfig describes a server.
type ServeConfig struct {
	Listener   *control.Listener
	Transports *transport.Registry

	// NewSink makes the sink of one session, below the directory of whoever has
	// proved the key. The options are those that the client asked for and its
	// rights allow.
	NewSink func(keys.Holder, localfs.SinkOptions) (Sink, error)
	Grant   localfs.SinkOptions // for keys whose rights are open
	// Admits is asked when a session begins, and by Recheck, whether whoever has proved the
	// key may still come. An error that Is control.ErrAuth ends a session as such. nil: always.
	Admits func(keys.Holder) error

	// Allowance is how much whoever has proved the key may store; nil, or one that it gives:
	// any number of bytes.
	Allowance func(keys.Holder) (Allowance, error)

	// NewSource opens what a client asks for, below the directory of whoever has proved the
	// key. nil: the server only receives.
	NewSource func(h keys.Holder, paths []string, o localfs.SourceOptions) (Offer, error)

	// Describe tells what this host has, as JSON of at most wire.MaxReport bytes, to
	// a client that inspects it. nil: nothing but the names of its rails.
	Describe func(context.Context) []byte

	// State keeps what has to outlive the server; nil: nothing does, and a transfer that
	// breaks off begins anew with every file that is not whole.
	State State
	// Addrs is where the server can be reached, host:port, for clients whose connection
	// goes; nil: only where they came.
	Addrs func() []string

	Encrypt bool     // take sealed frames only
	Limit   *Limiter // of all that is received and sent, of all sessions; nil: none

	Once   bool          // return after the first session
	Grace  time.Duration // for running sessions when ctx ends; 0: none
	Limits Limits        // of one session
	Quota  Quota         // of all sessions

	Observer ServeObserver // nil: nobody watches
	Meter    *Meter        // nil: nobody reads what is counted
	Logger   hclog.Logger  // nil: silent
}

// Limits are what a server grants one session at most. Zero fields take the default.
type Limits struct {
	Streams  int
	Memory   int64 // bytes of slots
	SlotSize int
	Window   int           // entries open: announced, no result yet
	Path     int           // bytes of a path below the target
	Files    int           // files begun at once
	Greeting time.Duration // from the proof to Open
}

// Observer sees one transfer from the sending side.
type Observer interface {
	// Watch is called once, before the first entry is sent. snapshot may be
	// called at any time and from any goroutine, also after the transfer.
	Watch(snapshot func() Snapshot)
	// Busy is called when the server has no room, or has dropped the connection
	// without a word, before it is asked again.
	Busy(why error, again time.Duration)
	// Chosen is called when it is known which transport will be tried, and why not
	// each of those that are preferred to it: once at the start, and again if no
	// stream came about over that one.
	Chosen(transport string, passed []error)
	// Lost is called when the connection to the server is gone and another is tried for,
	// with the time left for that. All begins anew then: problems of the source come
	// again, and what the server has is skipped.
	Lost(why error, left time.Duration)
	// Stalled is called when the server answers but has confirmed nothing for so long of
	// what is under way to it: a slow disk is waited for.
	Stalled(d time.Duration)
	// RailChanged is called when a rail is given less than it takes, for it is slow beside the
	// others, or again as much as it takes; where the server sends, when it says so.
	RailChanged(c RailChange)
	// Scarce is called once it is known that the files to be sent need more bytes than
	// the server has free.
	Scarce(need, free uint64)
	// Would is called for each file that would be sent, with its size (localfs.Unsized: of a
	// stream), where nothing is.
	Would(path string, size int64)
	// Problem is called when it is known that something was not copied as it is.
	Problem(p Problem)
}

// Problem is one entry that was not copied, or not wholly.
type Problem struct {
	Path   string
	Err    error
	Remote bool // the receiver says so
	Sent   bool // it was sent all the same: a word of warning
}

// Phase is what a transfer is at.
type Phase uint8

// The phases of a transfer.
const (
	PhaseConnecting Phase = iota
	PhaseSending
	PhaseFinishing // all entries have their result; directories and totals remain
	PhaseDone
)

// Snapshot is the state of a transfer at one moment.
type Snapshot struct {
	Phase      Phase
	WalkDone   bool
	Entries    uint64 // found so far, of all kinds
	Files      uint64 // found so far
	FilesDone  uint64 // committed or failed
	Bytes      uint64 // found so far
	BytesDone  uint64 // acknowledged by the receiver
	Unsized    bool   // nobody knows how many bytes there are: they come from a stream
	Current    string // a file that is being sent now
	Started    time.Time
	Rails      []RailReport
	Streams    []StreamReport
	Transport  string
	StreamsRun int
}

// StreamReport is what one stream does.
type StreamReport struct {
	Stream uint32
	Rail   string // that it is joined on, or was last; "": none yet
	Bytes  uint64 // frame data carried
	Doing  Doing
	Spent  Spent // until now
	Joined int   // how often; more than once: it broke, and came again
}

// RailReport counts what one rail carried.
type RailReport struct {
	Name    string
	Peer    string // the rail of the other side that it is joined with; "" at a receiver
	Streams int
	Bytes   uint64 // frame data sent

	RailHealth // as the sender has it
}

// Report is what came of a transfer.
type Report struct {
	Files, Dirs, Symlinks, Links uint64
	Bytes                        uint64 // sizes of the files committed
	Failed                       uint64 // entries not copied
	Resent                       uint64 // files sent once more because they changed
	Skipped                      uint64 // files that were there already
	SkippedBytes                 uint64
	Resumed                      uint64 // bytes of half files that were there already
	Unverified                   uint64 // files that the server's disk gave back otherwise than written; of Failed
	Reconnected                  uint64 // times that the connection was lost and came again
	Damaged                      uint64 // frames that did not verify and were sent again
	CarriedAgain                 uint64 // bytes that another stream carried because theirs broke
	Deleted                      uint64 // entries that the source did not have
	Would                        Would  // of a transfer that was dry
	Dropped                      localfs.Dropped
	Elapsed                      time.Duration
	Times                        Times
	Transport                    string
	Encrypted                    bool
	Rails                        []RailReport
}

// Would is what would be sent.
type Would struct {
	Files, Bytes, Units uint64
}

// ServeObserver sees the sessions of a server. Calls for one session come in
// order; calls for several may come at once.
type ServeObserver interface {
	Started(s SessionInfo)
	Ended(s SessionInfo, r Report, err error)
}

// SessionInfo names one session of a server.
type SessionInfo struct {
	ID     string // short, for logs
	Peer   string // the client's address
	Name   string // of its key; "" without
	Target string // relative to the server's directory
	Sends  bool   // it sends from there
	// Snapshot may be called at any time, and from any goroutine.
	Snapshot func() Snapshot
}
