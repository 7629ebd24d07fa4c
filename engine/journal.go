package engine

import (
	"crypto/hmac"
	"crypto/sha256"
	"sync"

	"scp_rdma/localfs"
	"scp_rdma/wire"
)

const (
	// keepFrom: smaller files are begun anew when their session breaks, bytes. They
	// take no journal and no name before their own: two more system calls each way.
	keepFrom = 8 << 20
	// journalBatch is how much of a file may have arrived without the journal saying
	// so, bytes: what a killed process costs. One write(2) for eight slots can't be
	// measured beside theirs.
	journalBatch = 8 << 20
	// journalBatchFsync is the same where each batch waits for the disk.
	journalBatchFsync = 64 << 20
)

// The labels of the MACs under the server's own secret.
const (
	labelJournal = "scp_rdma journal v1"
	labelMark    = "scp_rdma mark v1"
)

// journal notes on disk which ranges of a half file have arrived.
type journal struct {
	file  localfs.HalfFile
	head  wire.JournalHead
	every int64 // bytes

	mu     sync.Mutex
	begun  bool   // the head is there
	batch  []byte // records that are not
	bytes  int64  // of which they tell
	broken error  // nothing can be noted any more: the file goes on without
}

// add notes a range that was written. It is called after its WriteAt.
func (j *journal) add(r wire.JournalRecord) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.broken != nil {
		return nil
	}
	j.batch = r.Append(j.batch, &j.head)
	if j.bytes += r.To - r.From; j.bytes < j.every {
		return nil
	}
	return j.write()
}

// flush notes what is not noted yet; nobody writes to the file any more.
func (j *journal) flush() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.broken != nil || len(j.batch) == 0 {
		return nil
	}
	return j.write()
}

// write appends the batch. j.mu is held. The first failure is returned.
func (j *journal) write() error {
	b := j.batch
	if !j.begun {
		b = append(j.head.Append(nil), b...)
	}
	j.batch, j.bytes = nil, 0
	if err := j.file.Note(b); err != nil {
		j.broken = err
		return err
	}
	j.begun = true
	return nil
}

// vault is what a server knows and its clients don't: under its secret it signs what
// it leaves in their directories, and believes nothing there without.
type vault struct {
	state State
	boot  [16]byte // this boot of this host
	name  string   // of the key
}

func newVault(s State, name string) *vault {
	if s == nil {
		return nil
	}
	sum := sha256.Sum256(localfs.BootID())
	return &vault{state: s, boot: [16]byte(sum[:16]), name: name}
}

// head makes the head of a file's journal.
func (v *vault) head(p *localfs.Put, id localfs.FileID, sums bool) wire.JournalHead {
	h := wire.JournalHead{
		Sums: sums, Size: p.Size, MtimeSec: p.Meta.MtimeSec, MtimeNsec: p.Meta.MtimeNsec, Dev: id.Dev, Ino: id.Ino, Boot: v.boot,
	}
	h.MAC = v.sign(p, &h)
	return h
}

// sign is the MAC of a head.
func (v *vault) sign(p *localfs.Put, h *wire.JournalHead) [sha256.Size]byte {
	return v.mac(labelJournal, h, []byte(p.Name))
}

// mac is over a head, the key's name and what else is meant. Both are hashed, for the
// parts of a MAC have fixed lengths.
func (v *vault) mac(label string, h *wire.JournalHead, what []byte) [sha256.Size]byte {
	sumWho, sumWhat := sha256.Sum256([]byte(v.name)), sha256.Sum256(what)
	return v.state.Secret().MAC(label, h.Append(nil)[:wire.JournalSigned], sumWho[:], sumWhat[:])
}

// fault says why a journal is not that of the file, "" if it is.
func (v *vault) fault(p *localfs.Put, h *wire.JournalHead, id localfs.FileID) string {
	want := v.sign(p, h)
	switch {
	case !hmac.Equal(want[:], h.MAC[:]):
		return "its journal was not written by this server for this key"
	case h.Dev != id.Dev || h.Ino != id.Ino:
		return "its journal is of another file"
	case h.Size != p.Size || h.MtimeSec != p.Meta.MtimeSec || h.MtimeNsec != p.Meta.MtimeNsec:
		return "the source has changed since"
	}
	return ""
}

// mark is what a directory holds as long as the session that made it is not over.
func (v *vault) mark(id localfs.FileID, source []byte) []byte {
	m := v.mac(labelMark, &wire.JournalHead{Dev: id.Dev, Ino: id.Ino}, source)
	return m[:]
}
