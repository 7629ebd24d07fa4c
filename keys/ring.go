package keys

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"unicode"
)

// Holder is who has a key, and what a session of theirs may do.
type Holder struct {
	Name   string // for people
	Key    Key
	Dir    string // everything of theirs lies below, relative to the server's directory; "": the whole of it
	Rights Rights // RightsOpen: whatever the server gives everybody
	Quota  int64  // bytes that may be stored under the key; 0: any number
}

// Rights is a set of what a session may do.
type Rights uint16

// The rights.
const (
	Write    Rights = 1 << iota // put files
	Read                        // fetch files
	Delete                      // remove files
	Owner                       // set owners and groups
	Special                     // set setuid, setgid and sticky bits
	Xattr                       // set extended attributes, user.* only
	XattrAll                    // set extended attributes of any name
	ACL                         // set access control lists
	// RightsOpen is no right but says that the list names none.
	RightsOpen
)

// rightsByName are the words of a list.
func rightsByName() map[string]Rights {
	return map[string]Rights{
		"write": Write, "read": Read, "delete": Delete, "owner": Owner, "special": Special,
		"xattr": Xattr, "xattr-all": Xattr | XattrAll, "acl": ACL,
	}
}

// RightWords lists the words that a list of keys may use.
func RightWords() []string {
	return []string{"write", "read", "delete", "owner", "special", "xattr", "xattr-all", "acl"}
}

// Has says whether all of want is given.
func (r Rights) Has(want Rights) bool { return r&want == want }

// Ring is the keys that a server takes. It never changes.
type Ring struct{ byID map[ID]Holder }

// ErrList: a line of a list of keys makes no sense.
var ErrList = errors.New("not a list of keys")

// Single is the ring of one key, which may do whatever the server gives everybody.
func Single(name string, k Key) *Ring {
	return &Ring{map[ID]Holder{k.ID(): {Name: name, Key: k, Rights: RightsOpen}}}
}

// bequeathed is a Holder for a process of the same program.
type bequeathed struct {
	Name, Key, Dir string
	Rights         Rights
	Quota          int64
}

// Secrets are all keys with their holders, for ParseSecrets in a process of the same program.
func (r *Ring) Secrets() ([]byte, error) {
	var list []bequeathed
	for _, h := range r.byID {
		list = append(list, bequeathed{h.Name, h.Key.Text(), h.Dir, h.Rights, h.Quota})
	}
	return json.Marshal(list)
}

// ParseSecrets gives the ring of which Secrets was asked.
func ParseSecrets(secrets []byte) (*Ring, error) {
	var list []bequeathed
	if err := json.Unmarshal(secrets, &list); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrList, err)
	}
	r := &Ring{map[ID]Holder{}}
	for _, b := range list {
		k, err := Parse(b.Key)
		if err != nil {
			return nil, err
		}
		r.byID[k.ID()] = Holder{Name: b.Name, Key: k, Dir: b.Dir, Rights: b.Rights, Quota: b.Quota}
	}
	return r, nil
}

// Len is the number of keys.
func (r *Ring) Len() int { return len(r.byID) }

// Any says whether some key has a right by its own line.
func (r *Ring) Any(right Rights) bool {
	for _, h := range r.byID {
		if h.Rights.Has(right) {
			return true
		}
	}
	return false
}

// Lookup finds who has the key of that ID. IDs are no secret: the time it takes
// tells nothing that is worth knowing.
func (r *Ring) Lookup(id ID) (Holder, bool) {
	h, ok := r.byID[id]
	return h, ok
}

// LoadRing reads a list of keys from a file that is as safe as a key file must be.
func LoadRing(file string) (*Ring, error) {
	text, err := ReadList(file)
	if err != nil {
		return nil, err
	}
	return RingOf(file, text)
}

// ReadList is the first half of LoadRing: the text, if the file is safe.
func ReadList(file string) (string, error) { return read(file) }

// RingOf is the other half: what a file's text says.
func RingOf(file, text string) (*Ring, error) {
	r, err := ParseRing(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return r, nil
}

// ParseRing reads a list of keys, one to a line:
//
//	NAME KEY [dir=SUB] [rights=WORD,...] [quota=SIZE]
//
// with any blanks between. SUB may be quoted like a Go string, SIZE is a
// number of bytes, or one with K, M, G or T (powers of 1024). Empty lines and
// what follows a # at a line's begin mean nothing. Errors Are ErrList and name
// the line. They quote neither key nor name: where words were mixed up, the one
// may be a part of the other.
func ParseRing(text string) (*Ring, error) {
	r := &Ring{map[ID]Holder{}}
	lines := map[ID]int{}
	n := 0
	for line := range strings.Lines(text) {
		n++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		h, err := parseHolder(line)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w: %w", n, ErrList, err)
		}
		if other, ok := lines[h.Key.ID()]; ok {
			return nil, fmt.Errorf("line %d: %w: it has the key of line %d", n, ErrList, other)
		}
		r.byID[h.Key.ID()], lines[h.Key.ID()] = h, n
	}
	if len(r.byID) == 0 {
		return nil, fmt.Errorf("no key in it: %w", ErrList)
	}
	return r, nil
}

func parseHolder(line string) (Holder, error) {
	words, err := split(line)
	if err != nil {
		return Holder{}, err
	}
	if len(words) < 2 {
		return Holder{}, errors.New("a line is NAME KEY [dir=SUB] [rights=WORD,...] [quota=SIZE]")
	}
	h := Holder{Name: words[0], Rights: RightsOpen}
	if !goodName(h.Name) {
		return h, errors.New("a name has at most 64 characters that can be seen")
	}
	if h.Key, err = Parse(words[1]); err != nil {
		return h, fmt.Errorf("the key: %w", err)
	}
	for _, w := range words[2:] {
		if err := h.option(w); err != nil {
			return h, err
		}
	}
	return h, nil
}

// goodName says whether a name can be shown as it is.
func goodName(name string) bool {
	return len(name) <= 64 && strings.IndexFunc(name, func(r rune) bool { return !unicode.IsGraphic(r) || r == unicode.ReplacementChar }) < 0
}

// option takes one word behind the key.
func (h *Holder) option(word string) error {
	name, value, _ := strings.Cut(word, "=")
	switch name {
	case "dir":
		if !filepath.IsLocal(value) || strings.ContainsRune(value, 0) {
			return errors.New("dir= takes a path below the server's directory")
		}
		h.Dir = filepath.Clean(value)
		return nil
	case "rights":
		h.Rights = 0
		for w := range strings.SplitSeq(value, ",") {
			right, ok := rightsByName()[w]
			if !ok {
				return fmt.Errorf("rights= takes some of %s, with commas", strings.Join(RightWords(), ","))
			}
			h.Rights |= right
		}
		return nil
	case "quota":
		n, ok := size(value)
		if !ok {
			return errors.New("quota= takes a number of bytes, or one with K, M, G or T, like 10G")
		}
		h.Quota = n
		return nil
	}
	// Not the whole word: it may be a key in the wrong place.
	return errors.New("behind the key stand dir=SUB, rights=WORD,... and quota=SIZE only")
}

// size reads a number of bytes, at least 1.
func size(text string) (int64, bool) {
	const units = "KMGT"
	shift := 0
	if text != "" {
		if at := strings.IndexByte(units, text[len(text)-1]); at >= 0 {
			text, shift = text[:len(text)-1], 10*(at+1)
		}
	}
	n, err := strconv.ParseUint(text, 10, 63)
	return int64(n << shift), err == nil && n > 0 && n <= (1<<62)>>shift
}

// split cuts a line at blanks, but not within a quoted value.
func split(line string) ([]string, error) {
	var words []string
	for line != "" {
		end := strings.IndexAny(line, " \t")
		if at := strings.Index(line, `="`); at >= 0 && (end < 0 || at < end) {
			quoted, err := strconv.QuotedPrefix(line[at+1:])
			if err != nil {
				return nil, errors.New("a quote without its end")
			}
			value, err := strconv.Unquote(quoted)
			if err != nil {
				return nil, errors.New("a quote without its end")
			}
			words = append(words, line[:at+1]+value)
			line = strings.TrimLeft(line[at+1+len(quoted):], " \t")
			continue
		}
		if end < 0 {
			end = len(line)
		}
		words = append(words, line[:end])
		line = strings.TrimLeft(line[end:], " \t")
	}
	return words, nil
}
