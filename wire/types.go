package wire

// empty makes the message of a type; nil if there is none.
func empty(t Type) Message {
	switch t {
	case TypeHello:
		return &Hello{}
	case TypeBye:
		return &Bye{}
	case TypePing:
		return &Ping{}
	case TypePong:
		return &Pong{}
	case TypeOpen:
		return &Open{}
	case TypeOpened:
		return &Opened{}
	case TypeStreamOpen:
		return &StreamOpen{}
	case TypeStreamReady:
		return &StreamReady{}
	case TypeEntries:
		return &Entries{}
	case TypeAnswers:
		return &Answers{}
	case TypeResults:
		return &Results{}
	case TypeAbort:
		return &Abort{}
	case TypeDone:
		return &Done{}
	case TypeSummary:
		return &Summary{}
	case TypeAuth:
		return &Auth{}
	case TypeAuthed:
		return &Authed{}
	case TypeInspect:
		return &Inspect{}
	case TypeInspected:
		return &Inspected{}
	case TypeFence:
		return &Fence{}
	case TypeFenced:
		return &Fenced{}
	case TypeSame:
		return &Same{}
	case TypeFetch:
		return &Fetch{}
	case TypeStreamJoin:
		return &StreamJoin{}
	case TypeTrouble:
		return &Trouble{}
	case TypeWalked:
		return &Walked{}
	case TypeRailHealth:
		return &RailHealth{}
	}
	return nil
}

// Type implements Message.
func (*Hello) Type() Type { return TypeHello }

// Type implements Message.
func (*Bye) Type() Type { return TypeBye }

// Type implements Message.
func (*Ping) Type() Type { return TypePing }

// Type implements Message.
func (*Pong) Type() Type { return TypePong }

// Type implements Message.
func (*Open) Type() Type { return TypeOpen }

// Type implements Message.
func (*Opened) Type() Type { return TypeOpened }

// Type implements Message.
func (*StreamOpen) Type() Type { return TypeStreamOpen }

// Type implements Message.
func (*StreamReady) Type() Type { return TypeStreamReady }

// Type implements Message.
func (*Entries) Type() Type { return TypeEntries }

// Type implements Message.
func (*Answers) Type() Type { return TypeAnswers }

// Type implements Message.
func (*Results) Type() Type { return TypeResults }

// Type implements Message.
func (*Abort) Type() Type { return TypeAbort }

// Type implements Message.
func (*Done) Type() Type { return TypeDone }

// Type implements Message.
func (*Summary) Type() Type { return TypeSummary }

// Type implements Message.
func (*Auth) Type() Type { return TypeAuth }

// Type implements Message.
func (*Authed) Type() Type { return TypeAuthed }

// Type implements Message.
func (*Inspect) Type() Type { return TypeInspect }

// Type implements Message.
func (*Inspected) Type() Type { return TypeInspected }

// Type implements Message.
func (*Fence) Type() Type { return TypeFence }

// Type implements Message.
func (*Fenced) Type() Type { return TypeFenced }

// Type implements Message.
func (*Same) Type() Type { return TypeSame }

// Type implements Message.
func (*Fetch) Type() Type { return TypeFetch }

// Type implements Message.
func (*StreamJoin) Type() Type { return TypeStreamJoin }

// Type implements Message.
func (*Trouble) Type() Type { return TypeTrouble }

// Type implements Message.
func (*Walked) Type() Type { return TypeWalked }

// Type implements Message.
func (*RailHealth) Type() Type { return TypeRailHealth }
