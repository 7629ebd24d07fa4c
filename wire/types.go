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
	}
	return nil
}
