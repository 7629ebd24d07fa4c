package wire

// Type is the first byte of a control message.
type Type uint8

// The messages of the control connection. Hello and Bye keep their number and
// layout in every version, so that any two versions can tell each other why
// they part.
const (
	TypeHello Type = iota + 1
	TypeBye
	TypePing
	TypePong
	TypeOpen
	TypeOpened
	TypeStreamOpen
	TypeStreamReady
	TypeEntries
	TypeAnswers
	TypeResults
	TypeAbort
	TypeDone
	TypeSummary
	TypeAuth
	TypeAuthed
	TypeInspect
	TypeInspected
	TypeFence
	TypeFenced
	TypeSame
	TypeFetch
	TypeStreamJoin
	TypeTrouble
	TypeWalked
	TypeRailHealth
)

// Message is one control message.
type Message interface {
	Type() Type
}

// Auth is the first message of a connection, the client's: which key it holds,
// and the proof. Without a key both are empty.
type Auth struct {
	KeyID []byte `cbor:"1,keyasint,omitempty"` // 8 bytes
	Proof []byte `cbor:"2,keyasint,omitempty"` // 32 bytes
}

// Authed answers Auth: the peer is who it says. The server's own proof is empty
// if it asks for none.
type Authed struct {
	Proof []byte `cbor:"1,keyasint,omitempty"` // 32 bytes
}

// Hello opens a session, the client's first after the proofs. Each side says what it speaks and has.
type Hello struct {
	Version  uint16    `cbor:"1,keyasint"` // Version of this package
	Software string    `cbor:"2,keyasint,omitempty"`
	Session  []byte    `cbor:"3,keyasint,omitempty"` // 16 bytes, from the server
	Rails    []RailSet `cbor:"5,keyasint,omitempty"` // one per transport, most preferred first
	Limits   Limits    `cbor:"6,keyasint"`
	Features []string  `cbor:"7,keyasint,omitempty"` // abilities by name; unknown ones are ignored
	Addrs    []string  `cbor:"8,keyasint,omitempty"` // host:port where the server can be reached too, should the one in use go
}

// The abilities of this version that are not in each.
const (
	// FeatureEncrypt: a side takes sealed frames.
	FeatureEncrypt = "encrypt"
	// FeatureSelect: a side knows Open's Choose, Backup, Delete and Dry.
	FeatureSelect = "select"
	// FeatureFetch: a server sends what it is asked for.
	FeatureFetch = "fetch"
	// FeatureMeta: a side knows ACLs, and Open's SetUser, SetGroup, Digest and Touch.
	FeatureMeta = "meta"
	// FeatureShort: a client knows StreamReady's and Fenced's Short. The memory of one that
	// doesn't is the session's own.
	FeatureShort = "short"
)

// RailSet is what one side has of one transport.
type RailSet struct {
	Transport string `cbor:"1,keyasint"`
	Rails     []Rail `cbor:"2,keyasint"`
}

// Rail mirrors transport.Rail.
type Rail struct {
	Name string `cbor:"1,keyasint"`
	Info []byte `cbor:"2,keyasint,omitempty"`
}

// Limits are the most a side accepts; the smaller of both counts.
type Limits struct {
	Streams  uint32 `cbor:"1,keyasint"`
	Slots    uint32 `cbor:"2,keyasint"` // slots of 1 MiB of all streams together; others count by their bytes
	SlotSize uint32 `cbor:"3,keyasint"` // bytes
	Window   uint32 `cbor:"4,keyasint"` // entries open at once (announced, no result yet)
}

// Bye ends a session or refuses one. Code 0 is a clean end.
type Bye struct {
	Code    uint16 `cbor:"1,keyasint"`
	Text    string `cbor:"2,keyasint,omitempty"`
	Version uint16 `cbor:"3,keyasint,omitempty"` // of the side that says it
}

// The codes of Bye. They are part of the protocol: only ever added to.
const (
	ByeDone        uint16 = 0 // all is said
	ByeError       uint16 = 1 // see Text
	ByeUsage       uint16 = 2 // the request makes no sense to this side: see Text
	ByeNoTransport uint16 = 4 // no transport or rail in common
	ByeVerify      uint16 = 5 // data did not verify
	ByeAuth        uint16 = 6 // not authorised
	ByeVersion     uint16 = 7 // no protocol version in common
	ByeProtocol    uint16 = 8 // the peer broke the protocol
	ByeCancelled   uint16 = 9 // interrupted by a person or a stopping server
	ByeBusy        uint16 = 10
)

// Ping asks for a Pong with the same number; either side may send it any time.
type Ping struct {
	N uint64 `cbor:"1,keyasint"`
}

// Pong answers a Ping.
type Pong struct {
	N uint64 `cbor:"1,keyasint"`
}

// Open says where the entries shall go and what the client would like kept.
type Open struct {
	Path       []byte   `cbor:"1,keyasint,omitempty"` // as typed after HOST:
	Exact      bool     `cbor:"2,keyasint,omitempty"` // -T: exactly this name
	Tops       uint32   `cbor:"3,keyasint"`           // number of top entries that will come with a name of their own
	Contents   bool     `cbor:"4,keyasint,omitempty"` // some SRC sends its contents: the target is a directory
	Owner      bool     `cbor:"5,keyasint,omitempty"`
	NumericIDs bool     `cbor:"6,keyasint,omitempty"`
	Xattr      bool     `cbor:"7,keyasint,omitempty"`
	BootID     []byte   `cbor:"8,keyasint,omitempty"`  // with Dirs: to see a target inside its own source
	Dirs       []FileID `cbor:"9,keyasint,omitempty"`  // the source directories
	Fsync      bool     `cbor:"10,keyasint,omitempty"` // all is to be on the disk when the Summary comes
	Source     []byte   `cbor:"11,keyasint,omitempty"` // 32 bytes: the same for the same arguments on the same host
	Compare    Compare  `cbor:"12,keyasint,omitempty"` // how files that are there are known to be the same
	Window     int64    `cbor:"13,keyasint,omitempty"` // times that differ by no more, in ns, are equal
	Verify     bool     `cbor:"14,keyasint,omitempty"` // read each file back from the disk before it gets its name
	Continues  []byte   `cbor:"15,keyasint,omitempty"` // 16 bytes: the session of the same client that this one takes the place of
	Encrypt    bool     `cbor:"16,keyasint,omitempty"` // every frame is sealed (ProtectAEAD)
	Choose     Choose   `cbor:"17,keyasint,omitempty"` // which entries are wanted
	Backup     []byte   `cbor:"18,keyasint,omitempty"` // what is replaced keeps its name with this behind it
	Delete     bool     `cbor:"19,keyasint,omitempty"` // what the sender does not have goes, once all has arrived
	MaxDelete  int64    `cbor:"20,keyasint,omitempty"` // with Delete: less entries than this; 0: any number
	Dry        bool     `cbor:"22,keyasint,omitempty"` // nothing is made, nor sent: the answers are what is wanted
	Filter     [][]byte `cbor:"21,keyasint,omitempty"` // with Delete: rules of what is not touched, as package filter reads them
	SetUser    string   `cbor:"23,keyasint,omitempty"` // the owner that everything gets, a name of the receiver's or a number; so with
	SetGroup   string   `cbor:"24,keyasint,omitempty"` // its group
	ACL        bool     `cbor:"25,keyasint,omitempty"` // what has no ACL at the source has none at the target
	Digest     SumKind  `cbor:"26,keyasint,omitempty"` // each file is read once more where it was written, and this is told of it
	Touch      bool     `cbor:"27,keyasint,omitempty"` // a file that is there and stays gets a new ctime: the source may go then, unless it is that file
}

// Choose is which entries are wanted: bits, each of which takes some away.
type Choose uint8

// Bits of Choose.
const (
	ChooseOlder   Choose = 1 << iota // no file that is newer at the target
	ChooseThere                      // none that is not there
	ChooseMissing                    // none that is there, but directories
)

// Compare says how a file that is there is known to be the one announced.
type Compare uint8

// The ways to compare: size and mtime; contents; not at all, everything is sent.
const (
	CompareTimes Compare = iota
	CompareContents
	CompareNever
)

// FileID names an inode of one host.
type FileID struct {
	Dev uint64 `cbor:"1,keyasint"`
	Ino uint64 `cbor:"2,keyasint"`
}

// Opened answers Open: the target is there.
type Opened struct {
	Target []byte   `cbor:"1,keyasint,omitempty"` // relative to the server's directory, for messages
	Grants []string `cbor:"2,keyasint,omitempty"` // of what was asked for: "owner", "special", "xattr"
	Window uint32   `cbor:"3,keyasint"`           // entries the client may have open
	Free   uint64   `cbor:"4,keyasint,omitempty"` // bytes free for it in the target's file system; 0: not known
	Named  bool     `cbor:"5,keyasint,omitempty"` // the last name of Target is the one that the single top entry gets
}

// Inspect is said in place of Open and asks what the server has: the session is for proving
// streams, no entries are taken.
type Inspect struct {
	Encrypt bool `cbor:"1,keyasint,omitempty"` // as Open's
}

// Inspected answers Inspect.
type Inspected struct {
	Report []byte `cbor:"1,keyasint,omitempty"` // JSON, for people and programs; empty: it tells nothing
}

// Kind is what an Entry is.
type Kind uint8

// The kinds of entries. DirEnd says that a directory has no more children.
const (
	KindFile Kind = iota + 1
	KindDir
	KindSymlink
	KindDirEnd
)

// Entry announces one file, directory or link. A parent comes before its
// children; Parent 0 is the target's base. A DirEnd has only ID (of the directory).
type Entry struct {
	ID        uint64  `cbor:"1,keyasint"`
	Parent    uint64  `cbor:"2,keyasint,omitempty"`
	Kind      Kind    `cbor:"3,keyasint"`
	Name      []byte  `cbor:"4,keyasint,omitempty"` // one path component, 1..255 bytes
	Size      int64   `cbor:"5,keyasint,omitempty"` // bytes, files only
	Mode      uint32  `cbor:"6,keyasint,omitempty"` // 07777
	MtimeSec  int64   `cbor:"7,keyasint,omitempty"`
	MtimeNsec uint32  `cbor:"8,keyasint,omitempty"`
	Link      []byte  `cbor:"9,keyasint,omitempty"`  // a symlink's text
	Group     uint64  `cbor:"10,keyasint,omitempty"` // hard-link group, 0: none
	GroupPos  uint8   `cbor:"11,keyasint,omitempty"` // bit 0: not the first, bit 1: the last of its group in this session
	UID       uint32  `cbor:"12,keyasint,omitempty"`
	GID       uint32  `cbor:"13,keyasint,omitempty"`
	User      string  `cbor:"14,keyasint,omitempty"`
	GroupName string  `cbor:"15,keyasint,omitempty"`
	Xattrs    []Xattr `cbor:"16,keyasint,omitempty"`
	Replaces  uint64  `cbor:"17,keyasint,omitempty"` // this entry is that one, sent once more from the start
	Young     bool    `cbor:"18,keyasint,omitempty"` // written so lately that it may be again without its mtime showing it
	ACL       []ACE   `cbor:"20,keyasint,omitempty"`
	Default   []ACE   `cbor:"21,keyasint,omitempty"` // the ACL of what is made in a directory
	Stream    bool    `cbor:"19,keyasint,omitempty"` // a file of no known size: the chunk with the seal ends it, which may be empty. It goes in order (StreamWindow)
}

// Bits of Entry.GroupPos.
const (
	GroupMember uint8 = 1 << 0
	GroupLast   uint8 = 1 << 1
)

// Xattr is one extended attribute. Its name may be any bytes but NUL (xattr(7)),
// 1..255 of them, so it travels as bytes and not as text.
type Xattr struct {
	Name  string
	Value []byte
}

// Entries is a batch, in order.
type Entries struct {
	List []Entry `cbor:"1,keyasint"`
}

// Action is the receiver's answer to an entry.
type Action uint8

// The answers. Need: send its bytes, but for those in Have. Done: nothing more is
// needed (directory made, link made). Failed: it can't be had; see Text. Parent: its
// directory failed before, which was said then. Skip: it is there already. Compare: a
// file is there; if its contents have the digest Sum, say Same, else send the bytes.
const (
	ActionNeed Action = iota + 1
	ActionDone
	ActionFailed
	ActionParent
	ActionSkip
	ActionCompare
)

// Answer is the receiver's word on one entry, before its data.
type Answer struct {
	ID     uint64  `cbor:"1,keyasint"`
	Action Action  `cbor:"2,keyasint"`
	Text   string  `cbor:"3,keyasint,omitempty"`
	Have   []Range `cbor:"4,keyasint,omitempty"` // what of the file is there, in order, disjoint, at most MaxHave
	Sum    []byte  `cbor:"5,keyasint,omitempty"` // 16 bytes, see NewDigest
	Digest []byte  `cbor:"6,keyasint,omitempty"` // of a file that is there, for Open.Digest
}

// MaxHave bounds the ranges of one answer. Small gaps beyond that are sent again.
const MaxHave = 128

// Range is the bytes [From, To) of a file.
type Range struct {
	_        struct{} `cbor:",toarray"`
	From, To int64
}

// Same says of files that were to be compared that they are the same here.
type Same struct {
	IDs []uint64 `cbor:"1,keyasint"`
}

// Answers is a batch.
type Answers struct {
	List []Answer `cbor:"1,keyasint"`
}

// Status is how a unit or an entry ended.
type Status uint8

// The ends of an entry: committed under its name, failed (see Text), aborted
// as the sender asked, failed because the disk gave back other bytes.
const (
	StatusOK Status = iota + 1
	StatusFailed
	StatusAborted
	StatusUnverified
)

// Result is the end of one entry.
type Result struct {
	ID     uint64 `cbor:"1,keyasint"`
	Status Status `cbor:"2,keyasint"`
	Text   string `cbor:"3,keyasint,omitempty"`
	Digest []byte `cbor:"4,keyasint,omitempty"` // with StatusOK, for Open.Digest
}

// Results acknowledges units that were applied, units that were not, and entries that ended.
type Results struct {
	Units   []uint64 `cbor:"1,keyasint,omitempty"` // applied
	Corrupt []uint64 `cbor:"2,keyasint,omitempty"` // sum did not match: send again
	List    []Result `cbor:"3,keyasint,omitempty"`
}

// Abort takes entries back: the source of each can't be sent. Each gets a
// Result with StatusAborted.
type Abort struct {
	IDs []uint64 `cbor:"1,keyasint"`
}

// Totals count one session from one side.
type Totals struct {
	Files    uint64 `cbor:"1,keyasint"`
	Dirs     uint64 `cbor:"2,keyasint"`
	Symlinks uint64 `cbor:"3,keyasint"`
	Links    uint64 `cbor:"4,keyasint"` // hard links made
	Bytes    uint64 `cbor:"5,keyasint"` // sizes of the files committed
	Failed   uint64 `cbor:"6,keyasint"` // entries that could not be had
	Skipped  uint64 `cbor:"7,keyasint"` // files that were there already
}

// Done says that every entry of the sender has its result.
type Done struct {
	Totals       Totals `cbor:"1,keyasint"`
	Resent       uint64 `cbor:"2,keyasint,omitempty"` // files sent once more because they changed
	Damaged      uint64 `cbor:"3,keyasint,omitempty"` // frames that did not verify and were sent again
	CarriedAgain uint64 `cbor:"4,keyasint,omitempty"` // bytes that another stream carried because theirs broke
	Clean        bool   `cbor:"5,keyasint,omitempty"` // with Open.Delete: nothing of the source was left out that should be there
	Spent        Spent  `cbor:"6,keyasint,omitempty"` // by the sender's workers
}

// Summary answers Done when all directories are finished.
type Summary struct {
	Totals   Totals   `cbor:"1,keyasint"`
	Dropped  Dropped  `cbor:"2,keyasint"`
	Problems []string `cbor:"3,keyasint,omitempty"` // what failed after the entry's result (a directory's mode), at most 100
	Deleted  uint64   `cbor:"4,keyasint,omitempty"` // entries, for Open.Delete
	Spent    Spent    `cbor:"5,keyasint,omitempty"` // by the receiver's workers
}

// Dropped counts entries whose metadata was not kept, for want of a grant or of the right.
type Dropped struct {
	Owner   uint64 `cbor:"1,keyasint,omitempty"`
	Special uint64 `cbor:"2,keyasint,omitempty"`
	Xattr   uint64 `cbor:"3,keyasint,omitempty"`
	ACL     uint64 `cbor:"4,keyasint,omitempty"`
}
