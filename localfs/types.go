package localfs

import (
	"time"

	"github.com/hashicorp/go-hclog"
)

// Kind is what an entry of a tree is. The numbers equal wire.Kind.
type Kind uint8

// The kinds of entries. DirEnd follows a directory's last child.
const (
	KindFile Kind = iota + 1
	KindDir
	KindSymlink
	KindDirEnd
)

// Meta is what is kept of an entry beside its bytes.
type Meta struct {
	Mode      uint32 // 07777
	MtimeSec  int64
	MtimeNsec uint32
	UID, GID  uint32
	User      string // names of UID and GID on the source, "" if unknown or not asked for
	GroupName string
	Xattrs    []Xattr

	ACL        []ACE // who may do what beyond the mode; none: nobody
	DefaultACL []ACE // of a directory, for what is made in it
}

// Xattr is one extended attribute.
type Xattr struct {
	Name  string
	Value []byte
}

// Stamp tells one state of a file from another (stat(2)).
type Stamp struct {
	Dev, Ino     uint64
	Size         int64
	Mtime, Ctime time.Time
}

// Entry is one file, directory or link met by a walk. Entries of a Source are
// numbered from 1 in the order of the walk; a directory comes before its
// children, and its DirEnd (same ID) after the last.
type Entry struct {
	ID     uint64
	Parent uint64 // 0: the target's base
	Kind   Kind
	Name   string // one path component, the bytes the file system gave
	Size   int64
	Sparse bool   // has fewer blocks than its size needs
	Stream bool   // its size is not known, and it can be read only once
	Link   string // a symlink's text
	Meta   Meta
	Stamp  Stamp

	Group      uint64 // hard-link group, numbered from 1; 0: none
	GroupFirst bool   // first of its group met
	GroupLast  bool   // every link of the inode has been met with this one

	dir *dirNode // directory that holds it; nil for entries of an invented source
}

// SourceFile is an open file of a source. Its methods may be called by several
// goroutines at once.
type SourceFile interface {
	// ReadAt fills p from offset off. A file that ends early Is ErrChanged. What
	// lies between p's length and its capacity may be written over.
	ReadAt(p []byte, off int64) error
	// NextData finds the next range with data that begins at or after off and
	// before the file's size: lseek(2) SEEK_DATA, SEEK_HOLE. No more data:
	// start == end == the file's size. Where the file system does not know
	// holes, all is data.
	NextData(off int64) (start, end int64, err error)
	// Verify compares the file as it is now with the entry's Stamp; a
	// difference Is ErrChanged.
	Verify() error
	Close() error
}

// Target is where a client asked its entries to be put, in the server's directory.
type Target struct {
	Path     string // as typed after HOST:
	Exact    bool   // -T
	Tops     int    // number of top entries with a name of their own
	Contents bool   // contents of a directory: the target itself is a directory

	// NotInside are the source's directories, if it is on this host: a target
	// that is one of them or lies inside one Is ErrUsage, and nothing is made there.
	NotInside []FileID

	// Continues is asked about a directory that is there under the name that the single
	// top entry would get if it weren't, and that has a mark: true says that it is that
	// entry, which an earlier session began. nil: it never is.
	Continues func(dir FileID, mark []byte) bool
}

// FileID names an inode of one host.
type FileID struct {
	Dev, Ino uint64
}

// SourceOptions say how a source is walked.
type SourceOptions struct {
	Follow bool   // symlinks are what they point to (-L)
	Owners bool   // fill UID, GID, User, GroupName of every entry's Meta
	Xattrs bool   // fill Meta.Xattrs
	ACLs   bool   // fill Meta.ACL and DefaultACL
	Direct Direct // how large files are read

	// Exclude says of a path, relative to where an argument lies (or to itself, where it
	// stands for its contents), whether it is left out, with all that is in it; nil: nothing is.
	Exclude func(path string, dir bool) bool
	Only    *Only // what is walked below the arguments; nil: everything
	OneFS   bool  // a directory where another file system is mounted is sent, but not what is in it

	// Chmod is what the mode of a file or directory is sent as; nil: what it is.
	Chmod func(mode uint32, dir bool) uint32

	// SafeLinks leaves out symlinks that lead out of the argument they were found in: they
	// are an ErrOutside for Problem. Else Outside, if not nil, is told of each.
	SafeLinks bool
	Outside   func(path, text string)

	// Typed is what a path that was typed means below the root of SourceAt; nil: itself.
	Typed func(path string) string

	// Problem is told of everything that is left out, and why, with the path
	// as a person would type it. It is called by OpenSource and Next only.
	Problem func(path string, err error)
	Logger  hclog.Logger // nil: silent
}

// Top is one argument of a source.
type Top struct {
	Name     string // of its entry; "" with Contents
	Kind     Kind
	Contents bool   // only what is in the directory is sent
	Arg      string // as typed
}

// SinkOptions are what a session was granted. Permission bits (0777) and
// mtimes are always kept.
type SinkOptions struct {
	Owner      bool   // owner and group, by name where this host knows the name
	Special    bool   // setuid, setgid, sticky
	Xattr      bool   // user.* attributes
	AllXattr   bool   // trusted.* and security.* as well, if running as root
	ACL        bool   // ACLs, their users and groups as owner and group
	NumericIDs bool   // owner and group by number
	Chown      Chown  // owner and group that all gets
	Touch      bool   // what is found and left as it is gets a new ctime: if it is the source itself, that shows
	Delete     bool   // what the sender does not have may go
	Dry        bool   // for whoever makes the sink: it is to be a Dry
	Fsync      bool   // a file is on the disk before it has its name, all else with Sync
	Backup     string // what is replaced keeps its name with this behind it; "": it goes
	SafeLinks  bool   // no symlinks that lead out of the session's target: they are an ErrOutside
}

// Base is a resolved Target.
type Base struct {
	Dir  *Dir
	Name string // if not "": the single top entry gets this name instead of its own
	Path string // relative to the root, for messages: "." or "a/b" or "a/b/name"
}

// Put says how a file gets its name.
type Put struct {
	Dir       *Dir
	Name      string
	Size      int64 // Unsized: it has what is written to it
	Meta      Meta
	Group     uint64 // hard-link group, 0: none
	GroupLast bool
}

// Unsized is the size of a Put whose size is not known before its Commit.
const Unsized = -1

// PendingFile is a file that has no name yet. WriteAt may be called by several
// goroutines at once; Commit and Discard only when no WriteAt is running.
type PendingFile interface {
	// WriteAt writes all of p at offset off.
	WriteAt(p []byte, off int64) error
	// Hole makes n bytes at off read as zeros. In a fresh file they do; in one that an
	// earlier session wrote to they are punched (fallocate(2)), or written.
	Hole(off, n int64) error
	// ReadAt fills p from offset off with what was written.
	ReadAt(p []byte, off int64) error
	// Reload has the file's data on the disk and out of the page cache, so that ReadAt
	// tells what the disk has.
	Reload() error
	// Commit gives the file its metadata and, last, its name. On error nothing
	// of it is left.
	Commit() error
	// Discard leaves nothing of the file. A no-op after Commit.
	Discard()
}

// HalfFile is a file that can outlive its session: until Commit it has a hidden name
// made from its own, and a journal beside it. It is locked (flock(2)) while it is open.
// Keep and Truncate only when no WriteAt is running.
type HalfFile interface {
	PendingFile
	ID() FileID
	// Note appends to the journal; the first makes it. With SinkOptions.Fsync what was
	// written to the file is on the disk before, and the journal after.
	Note(b []byte) error
	// Truncate cuts the journal to its first n bytes.
	Truncate(n int64) error
	// NextData is SourceFile's.
	NextData(off int64) (start, end int64, err error)
	// Keep closes the file and leaves it, with its journal, for a later session; without
	// a journal nobody could use it, and it is discarded. A no-op after Commit or Discard.
	Keep()
}

// Found is a regular file that is there already under the name of a Put.
type Found struct {
	ID        FileID
	Size      int64
	MtimeSec  int64
	MtimeNsec uint32
	CtimeSec  int64
	CtimeNsec uint32
	Dir       bool // it is a directory, and no file
}

// Dropped counts entries whose metadata was not kept, for want of a grant, of
// the right, or of a place for it in the file system.
type Dropped struct {
	Owner, Special, Xattr, ACL uint64
}
