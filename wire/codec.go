package wire

import (
	"encoding/binary"
	"fmt"
	"sync"

	"github.com/fxamacker/cbor/v2"
)

const (
	// HeaderSize is the size of the header of a control message: u32 body length, u8 type.
	HeaderSize = 5
	// MaxMessage bounds a body: 1024 entries with a name of 255 and a few
	// hundred bytes of other fields fit; one entry with 64 KiB of xattrs too.
	MaxMessage = 1 << 20
	// maxEarly bounds what an unproved peer may send: Hello and Bye. 64 rails
	// with 1 KiB of description each need no more.
	maxEarly = 128 << 10
)

// modes are the CBOR encoder and decoder. Made once, never changed.
type modes struct {
	enc cbor.EncMode
	dec cbor.DecMode
}

// theModes is a function, not state: it has the same value whenever it is asked.
var theModes = sync.OnceValues(func() (modes, error) {
	enc, err := cbor.CoreDetEncOptions().EncMode()
	if err != nil {
		return modes{}, err
	}
	dec, err := cbor.DecOptions{
		DupMapKey:        cbor.DupMapKeyEnforcedAPF,
		IndefLength:      cbor.IndefLengthForbidden,
		TagsMd:           cbor.TagsForbidden,
		MaxNestedLevels:  8,
		MaxArrayElements: maxList,
		MaxMapPairs:      64,
	}.DecMode()
	return modes{enc: enc, dec: dec}, err
})

// AppendMessage appends a message with its header.
func AppendMessage(b []byte, m Message) ([]byte, error) {
	md, err := theModes()
	if err != nil {
		return b, fmt.Errorf("encode message %d: %w", m.Type(), err)
	}
	body, err := md.enc.Marshal(m)
	if err != nil {
		return b, fmt.Errorf("encode message %d: %w", m.Type(), err)
	}
	if len(body) > maxBody(m.Type()) {
		return b, fmt.Errorf("encode message %d: %d bytes, at most %d: %w", m.Type(), len(body), maxBody(m.Type()), ErrMalformed)
	}
	b = binary.LittleEndian.AppendUint32(b, uint32(len(body)))
	b = append(b, byte(m.Type()))
	return append(b, body...), nil
}

// ParseHeader reads the header of a control message: its type and the length of its body.
func ParseHeader(b []byte) (Type, int, error) {
	if len(b) != HeaderSize {
		return 0, 0, fmt.Errorf("message header of %d bytes: %w", len(b), ErrMalformed)
	}
	n, t := binary.LittleEndian.Uint32(b), Type(b[4])
	if int64(n) > int64(maxBody(t)) {
		return 0, 0, fmt.Errorf("message %d of %d bytes: %w", t, n, ErrMalformed)
	}
	return t, int(n), nil
}

func maxBody(t Type) int {
	if t == TypeHello || t == TypeBye {
		return maxEarly
	}
	return MaxMessage
}

// ParseMessage reads the body of a control message and checks every bound. The
// message keeps nothing of body.
func ParseMessage(t Type, body []byte) (Message, error) {
	m := empty(t)
	if m == nil {
		return nil, fmt.Errorf("message %d: %w", t, ErrUnknownType)
	}
	md, err := theModes()
	if err != nil {
		return nil, fmt.Errorf("decode message %d: %w", t, err)
	}
	if err := md.dec.Unmarshal(body, m); err != nil {
		return nil, fmt.Errorf("decode message %d: %w: %w", t, ErrMalformed, err)
	}
	if err := validate(m); err != nil {
		return nil, fmt.Errorf("message %d: %w: %w", t, ErrMalformed, err)
	}
	return m, nil
}

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
	}
	return nil
}
