package wire

// fits says whether no list of a batch is longer than a message may hold.
func fits(m Message) bool {
	switch m := m.(type) {
	case *Entries:
		return len(m.List) <= maxList
	case *Answers:
		return len(m.List) <= maxList
	case *Results:
		return max(len(m.Units), len(m.Corrupt), len(m.List)) <= maxList
	case *Abort:
		return len(m.IDs) <= maxList
	case *Same:
		return len(m.IDs) <= maxList
	}
	return true
}

// halve cuts a batch in two that say the same one after the other; false if m
// is no batch or has nothing to cut. Units stay before the entries that ended
// with them.
func halve(m Message) (head, tail Message, ok bool) {
	switch m := m.(type) {
	case *Entries:
		a, b := cut(m.List)
		return &Entries{List: a}, &Entries{List: b}, len(a) > 0
	case *Answers:
		a, b := cut(m.List)
		return &Answers{List: a}, &Answers{List: b}, len(a) > 0
	case *Abort:
		a, b := cut(m.IDs)
		return &Abort{IDs: a}, &Abort{IDs: b}, len(a) > 0
	case *Same:
		a, b := cut(m.IDs)
		return &Same{IDs: a}, &Same{IDs: b}, len(a) > 0
	case *Results:
		if len(m.Units)+len(m.Corrupt) > 0 && len(m.List) > 0 {
			return &Results{Units: m.Units, Corrupt: m.Corrupt}, &Results{List: m.List}, true
		}
		u, units := cut(m.Units)
		c, corrupt := cut(m.Corrupt)
		l, list := cut(m.List)
		return &Results{Units: u, Corrupt: c, List: l}, &Results{Units: units, Corrupt: corrupt, List: list}, len(u)+len(c)+len(l) > 0
	}
	return nil, nil, false
}

// cut cuts a list in the middle; the first part is empty if there is only one.
func cut[T any](list []T) (a, b []T) { return list[:len(list)/2], list[len(list)/2:] }
