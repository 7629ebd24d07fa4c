package modes

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Changes is a list of changes, made in order. The zero value changes nothing.
type Changes struct{ list []change }

// ErrModes: a text is no list of changes.
var ErrModes = errors.New("no list of modes")

// all is every bit that a mode has.
const all = 0o7777

// change is one of a list.
type change struct {
	dirs, files bool   // only these; neither: both
	octal       bool   // the mode is set
	op          byte   // of symbolic ones: + - =
	who         uint32 // a bit for each class: 0100, 010, 1
	named       bool   // who was
	perms       uint32 // of each class
	copies      uint32 // the class whose permissions are taken; 0: those in perms are
	execs       bool   // X: x only where there is some, or of a directory
	special     uint32 // setuid, setgid and sticky bits that were named
	own         uint32 // those that belong to the classes
	umask       uint32
}

// Parse reads changes in rsync's notation: "D755,F644", "u=rwX,go-w", "g=u", "Dg+s". Where a
// symbolic change names no class it is for all, but for what umask takes away. Errors Are
// ErrModes.
func Parse(text string, umask uint32) (Changes, error) {
	var c Changes
	for item := range strings.SplitSeq(text, ",") {
		one := change{umask: umask}
		if err := one.parse(item); err != nil {
			return Changes{}, fmt.Errorf("%w: %q: %w", ErrModes, item, err)
		}
		c.list = append(c.list, one)
	}
	return c, nil
}

func (c *change) parse(item string) error {
	i := 0
	for ; i < len(item); i++ {
		switch item[i] {
		case 'D':
			c.dirs = true
		case 'F':
			c.files = true
		case 'u':
			c.who, c.own = c.who|0o100, c.own|0o4000
		case 'g':
			c.who, c.own = c.who|0o010, c.own|0o2000
		case 'o':
			c.who |= 0o001
		case 'a':
			c.who, c.own = c.who|0o111, c.own|0o6000
		case '+', '-', '=':
			c.op = item[i]
			return errors.Join(c.fits(), c.symbols(item[i+1:]))
		default:
			return errors.Join(c.fits(), c.number(item[i:]))
		}
	}
	return errors.New("it changes nothing: + - or = is missing, or a number")
}

func (c *change) fits() error {
	if c.dirs && c.files {
		return errors.New("it is for files, F, or for directories, D, not both")
	}
	c.named = c.who != 0
	if !c.named {
		c.who = 0o111
	}
	return nil
}

func (c *change) number(text string) error {
	n, err := strconv.ParseUint(text, 8, 32)
	switch {
	case err != nil || strings.Trim(text, "01234567") != "" || n > all:
		return errors.New("no octal number up to 7777, nor one of + - =")
	case c.named:
		return errors.New("a number is for all classes")
	}
	c.octal, c.perms = true, uint32(n)
	return nil
}

// symbols reads what follows + - or =.
func (c *change) symbols(text string) error {
	for _, r := range text {
		var from uint32
		switch r {
		case 'r':
			c.perms |= 4
		case 'w':
			c.perms |= 2
		case 'x':
			c.perms |= 1
		case 'X':
			c.perms, c.execs = c.perms|1, true
		case 's':
			c.special |= c.own
			if c.own == 0 { // rsync's way: nothing that was named before it counts then
				c.special = 0o4000
			}
		case 't':
			c.special |= 0o1000
		case 'u':
			from = 0o100
		case 'g':
			from = 0o010
		case 'o':
			from = 0o001
		default:
			return fmt.Errorf("%q is none of rwxXst, nor of ugo", r)
		}
		if from != 0 && c.copies != 0 {
			return errors.New("permissions are taken from one class")
		}
		c.copies |= from
	}
	if c.copies != 0 && c.perms|c.special != 0 {
		return errors.New("permissions are taken from a class, or named")
	}
	return nil
}

// Apply is a mode after the changes. Bits beyond 07777 come back as they are.
func (c Changes) Apply(mode uint32, dir bool) uint32 {
	execs := dir || mode&0o111 != 0
	rest, mode := mode&^uint32(all), mode&all
	for i := range c.list {
		if one := &c.list[i]; !(one.dirs && !dir || one.files && dir) {
			mode = one.apply(mode, execs)
		}
	}
	return rest | mode
}

// apply makes the change. execs: an X counts.
func (c *change) apply(mode uint32, execs bool) uint32 {
	if c.octal {
		return c.perms
	}
	perms := c.perms
	if c.copies != 0 {
		perms = mode / c.copies & 7
	}
	bits := c.who * perms
	if !c.named {
		bits &^= c.umask
	}
	bits |= c.special
	switch c.op {
	case '-':
		return mode &^ bits
	case '=':
		mode &^= c.who * 7
		switch { // chmod(1) leaves special bits to themselves that are not named; so it is here, but
		case c.copies != 0: // the classes that become like another have theirs no more
			mode &^= c.who&0o100*0o40 | c.who&0o010*0o200 | c.who&0o001*0o1000
		case c.special != 0:
			mode &^= c.own
		}
	}
	if c.execs && !execs {
		bits &^= 0o111
	}
	return mode | bits
}
