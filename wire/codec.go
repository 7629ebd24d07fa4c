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
	// MaxMessage bounds a body. The largest entry (64 KiB of xattrs, a link text,
	// a name) fits many times; a batch beyond it goes out as several messages.
	MaxMessage = 1 << 20
	// maxEarly bounds Hello and Bye; the latter may come from an unproved peer.
	// 64 rails with sixteen addresses each are a third of it.
	maxEarly = 64 << 10
	// maxAuth bounds the first message of an unproved peer, which is 46 bytes.
	maxAuth = 128
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

// AppendMessage appends a message with its header. It checks every bound that
// ParseMessage checks, so that a message the peer must refuse fails here. A
// batch of entries, answers, results or ids that is too long for one message is
// appended as several, in order. On error b comes back as it was.
func AppendMessage(b []byte, m Message) ([]byte, error) {
	if fits(m) {
		body, err := encode(m)
		if err != nil {
			return b, fmt.Errorf("encode message %d: %w", m.Type(), err)
		}
		if len(body) <= maxBody(m.Type()) {
			b = binary.LittleEndian.AppendUint32(b, uint32(len(body)))
			b = append(b, byte(m.Type()))
			return append(b, body...), nil
		}
	}
	head, tail, ok := halve(m)
	if !ok {
		return b, fmt.Errorf("encode message %d: more than %d bytes: %w", m.Type(), maxBody(m.Type()), ErrMalformed)
	}
	out, err := AppendMessage(b, head)
	if err != nil {
		return b, err
	}
	if out, err = AppendMessage(out, tail); err != nil {
		return b, err
	}
	return out, nil
}

// encode checks a message and writes its body.
func encode(m Message) ([]byte, error) {
	if err := validate(m); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	md, err := theModes()
	if err != nil {
		return nil, err
	}
	return md.enc.Marshal(m)
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
	switch {
	case t == TypeAuth || t == TypeAuthed:
		return maxAuth
	case t == TypeHello || t == TypeBye:
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
