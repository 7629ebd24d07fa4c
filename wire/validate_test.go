package wire

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

func TestEntryRefuses(t *testing.T) {
	ok := Entry{ID: 2, Parent: 1, Kind: KindFile, Name: []byte("f")}
	tests := map[string]func(e *Entry){
		"no id":                   func(e *Entry) { e.ID = 0 },
		"an unknown kind":         func(e *Entry) { e.Kind = 9 },
		"no name":                 func(e *Entry) { e.Name = nil },
		"dot":                     func(e *Entry) { e.Name = []byte(".") },
		"dot dot":                 func(e *Entry) { e.Name = []byte("..") },
		"a slash":                 func(e *Entry) { e.Name = []byte("a/b") },
		"a NUL":                   func(e *Entry) { e.Name = []byte("a\x00") },
		"a name of 256 bytes":     func(e *Entry) { e.Name = bytes.Repeat([]byte("x"), 256) },
		"a negative size":         func(e *Entry) { e.Size = -1 },
		"a directory with a size": func(e *Entry) { e.Kind, e.Size = KindDir, 1 },
		"a mode beyond 07777":     func(e *Entry) { e.Mode = 0o10000 },
		"a second of nanoseconds": func(e *Entry) { e.MtimeNsec = 1e9 },
		"a file with a link text": func(e *Entry) { e.Link = []byte("x") },
		"a symlink without text":  func(e *Entry) { e.Kind = KindSymlink },
		"a symlink with NUL":      func(e *Entry) { e.Kind, e.Link = KindSymlink, []byte("a\x00b") },
		"a directory in a group":  func(e *Entry) { e.Kind, e.Group = KindDir, 1 },
		"a place in no group":     func(e *Entry) { e.GroupPos = 1 },
		"too large xattrs":        func(e *Entry) { e.Xattrs = []Xattr{{Name: "user.x", Value: make([]byte, maxXattrs)}} },
		"a symlink of 4096 bytes": func(e *Entry) { e.Kind, e.Link = KindSymlink, bytes.Repeat([]byte("x"), maxPath) },
		"an xattr without a name": func(e *Entry) { e.Xattrs = []Xattr{{Value: []byte("x")}} },
		"an xattr with a NUL":     func(e *Entry) { e.Xattrs = []Xattr{{Name: "user.\x00"}} },
		"an owner not in UTF-8":   func(e *Entry) { e.User = "\xff" },
		"a second try of itself":  func(e *Entry) { e.Replaces = e.ID },
		"a directory come again":  func(e *Entry) { e.Kind, e.Replaces = KindDir, 1 },
		"an end without an id":    func(e *Entry) { *e = Entry{Kind: KindDirEnd} },
		"a stream with a size":    func(e *Entry) { e.Stream, e.Size = true, 1 },
		"a stream with a group":   func(e *Entry) { e.Stream, e.Group = true, 1 },
		"a stream come again":     func(e *Entry) { e.Stream, e.Replaces = true, 1 },
		"a stream of directories": func(e *Entry) { e.Stream, e.Kind = true, KindDir },
		"its own parent":          func(e *Entry) { e.Parent = e.ID },
		"an end with a name":      func(e *Entry) { e.Kind, e.Parent = KindDirEnd, 0 },
	}
	for name, change := range tests {
		e := ok
		change(&e)
		refused(t, name, &Entries{List: []Entry{e}})
	}
}

func TestMessageRefuses(t *testing.T) {
	tests := map[string]Message{
		"a session of 3 bytes":  &Hello{Session: []byte("abc")},
		"a key id of 3 bytes":   &Auth{KeyID: []byte("abc"), Proof: make([]byte, 32)},
		"a key id alone":        &Auth{KeyID: make([]byte, 8)},
		"a proof alone":         &Auth{Proof: make([]byte, 32)},
		"a proof of 31 bytes":   &Auth{KeyID: make([]byte, 8), Proof: make([]byte, 31)},
		"an answer of 33 bytes": &Authed{Proof: make([]byte, 33)},
		"a long rail":           &Hello{Rails: []RailSet{{Rails: []Rail{{Info: make([]byte, maxRailInfo+1)}}}}},
		"65 transports":         &Hello{Rails: make([]RailSet, maxSets+1)},
		"65 rails":              &Hello{Rails: []RailSet{{Rails: make([]Rail, maxRails+1)}}},
		"a long feature":        &Hello{Features: []string{strings.Repeat("x", maxWord+1)}},
		"129 features":          &Hello{Features: make([]string, maxWords+1)},
		"a long grant":          &Opened{Grants: []string{strings.Repeat("x", maxWord+1)}},
		"an age of waiting":     &Summary{Spent: Spent{Frames: MaxSpent + 1}},
		"an age of writing":     &Done{Spent: Spent{Admit: MaxSpent + 1}},
		"101 problems":          &Summary{Problems: make([]string, maxProblems+1)},
		"a long boot id":        &Open{BootID: make([]byte, maxBootID+1)},
		"1025 directories":      &Open{Dirs: make([]FileID, maxList+1)},
		"a corrupt entry":       &Results{List: []Result{{ID: 1, Status: StatusUnverified + 1}}},
		"a text not in UTF-8":   &Answers{List: []Answer{{ID: 1, Action: ActionFailed, Text: "\xff"}}},
		"a path with a NUL":     &Open{Path: []byte("a\x00")},
		"a path of 4097 bytes":  &Open{Path: bytes.Repeat([]byte("a"), maxPath+1)},
		"a long offer":          &StreamOpen{Offer: make([]byte, maxOffer+1)},
		"a long report":         &Inspected{Report: make([]byte, MaxReport+1)},
		"a long ready offer":    &StreamReady{Offer: make([]byte, maxOffer+1)},
		"a long text":           &Bye{Text: strings.Repeat("x", maxText+1)},
		"an answer with a sum":  &Answers{List: []Answer{{ID: 1, Action: ActionNeed, Sum: make([]byte, DigestSize)}}},
		"a compare without sum": &Answers{List: []Answer{{ID: 1, Action: ActionCompare}}},
		"a long sum":            &Answers{List: []Answer{{ID: 1, Action: ActionCompare, Sum: make([]byte, DigestSize+1)}}},
		"ranges to skip":        &Answers{List: []Answer{{ID: 1, Action: ActionSkip, Have: []Range{{From: 0, To: 1}}}}},
		"an empty range":        &Answers{List: []Answer{{ID: 1, Action: ActionNeed, Have: []Range{{From: 1, To: 1}}}}},
		"a range before zero":   &Answers{List: []Answer{{ID: 1, Action: ActionNeed, Have: []Range{{From: -1, To: 1}}}}},
		"ranges that touch":     &Answers{List: []Answer{{ID: 1, Action: ActionNeed, Have: []Range{{From: 0, To: 1}, {From: 1, To: 2}}}}},
		"a digest to send":      &Answers{List: []Answer{{ID: 1, Action: ActionNeed, Digest: make([]byte, 16)}}},
		"a digest of 17 bytes":  &Answers{List: []Answer{{ID: 1, Action: ActionSkip, Digest: make([]byte, 17)}}},
		"a digest of a failure": &Results{List: []Result{{ID: 1, Status: StatusFailed, Digest: make([]byte, 16)}}},
		"a result's of 33":      &Results{List: []Result{{ID: 1, Status: StatusOK, Digest: make([]byte, 33)}}},
		"an unknown digest":     &Open{Digest: SumSHA256 + 1},
		"an owner not in UTF-8": &Open{SetUser: "\xff"},
		"a long group":          &Open{SetGroup: strings.Repeat("x", maxWord+1)},
		"129 ranges":            &Answers{List: []Answer{{ID: 1, Action: ActionNeed, Have: ranges(MaxHave + 1)}}},
		"a source of 31 bytes":  &Open{Source: make([]byte, 31)},
		"an old id of 3 bytes":  &Open{Continues: []byte("abc")},
		"an unknown compare":    &Open{Compare: CompareNever + 1},
		"a negative window":     &Open{Window: -1},
		"65 addresses":          &Hello{Addrs: make([]string, maxAddrs+1)},
		"an unknown answer":     &Answers{List: []Answer{{ID: 1, Action: 9}}},
		"an unknown status":     &Results{List: []Result{{ID: 1, Status: 9}}},
		"more than 1024 aborts": &Abort{IDs: make([]uint64, maxList+1)},
		"a long problem":        &Summary{Problems: []string{strings.Repeat("x", maxText+1)}},
	}
	for name, m := range tests {
		refused(t, name, m)
	}
}

// ranges makes n ranges that an answer may have, but for their number.
func ranges(n int64) []Range {
	var list []Range
	for i := range n {
		list = append(list, Range{From: 3 * i, To: 3*i + 1})
	}
	return list
}

func TestAnAnswerTakesTheMostRanges(t *testing.T) {
	if _, err := AppendMessage(nil, &Answers{List: []Answer{{ID: 1, Action: ActionNeed, Have: ranges(MaxHave)}}}); err != nil {
		t.Error(err)
	}
}

// refused says that neither side of the wire takes the message.
func refused(t *testing.T, name string, m Message) {
	t.Helper()
	if _, err := ParseMessage(m.Type(), raw(t, m)); !errors.Is(err, ErrMalformed) {
		t.Errorf("parse %s: %v", name, err)
	}
	if fits(m) {
		if _, err := AppendMessage(nil, m); !errors.Is(err, ErrMalformed) {
			t.Errorf("append %s: %v", name, err)
		}
	}
}

// What is just within the bounds must pass.
func TestEntryTakesTheLongest(t *testing.T) {
	for _, e := range []Entry{
		{ID: 1, Kind: KindFile, Name: bytes.Repeat([]byte("\xff"), maxName), Size: 1<<63 - 1, Mode: 0o7777, MtimeSec: -1 << 63,
			MtimeNsec: 999_999_999, Xattrs: []Xattr{{Name: "user.\xff", Value: make([]byte, maxXattrs-6)}}},
		{ID: 1, Kind: KindSymlink, Name: []byte("..."), Link: bytes.Repeat([]byte("/"), maxPath-1)},
		{ID: 1<<64 - 1, Kind: KindDirEnd},
	} {
		b, err := AppendMessage(nil, &Entries{List: []Entry{e}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ParseMessage(TypeEntries, b[HeaderSize:]); err != nil {
			t.Error(err)
		}
	}
}
