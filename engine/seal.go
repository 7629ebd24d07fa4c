package engine

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"

	"scp_rdma/transport"
	"scp_rdma/wire"
)

const (
	// labelSeal is for the secret from which the keys of frames are made.
	labelSeal = "scp_rdma frames v1"
	// labelFrames is for the key of some frames of one stream.
	labelFrames = "scp_rdma stream key v1"

	// frameKeySize: AES-128, as TLS takes it first; it is the faster one.
	frameKeySize = 16
	// framesPerKey: a key seals so many frames at most. Of 16 MiB each they are 2^40
	// blocks: what can be told of them from chance is 2^-48 (the birthday bound; NIST SP
	// 800-38D allows 2^32 frames with nonces that count).
	framesPerKey = 1 << 20

	// sealStep is what a slot's data lacks for the tag: the ranges of files keep their
	// alignment.
	sealStep = 4096
)

// errNonce: a frame would be sealed a second time under the same nonce.
var errNonce = errors.New("a frame is sealed twice")

// ErrForged: a frame is not the one that the other end has sealed.
var ErrForged = errors.New("a frame was damaged or forged on its way")

// frameSeal seals the frames of one stream, or opens them (AES-GCM, NIST SP 800-38D).
// The head of a frame is not secret, and proved with the data.
//
// No (key, nonce) comes twice: a key is made of the session's secret, which has one
// direction, and of stream, epoch and frame number / framesPerKey; the nonce is the frame
// number. A stream's epoch grows with each opening, the frame number with each frame.
type frameSeal struct {
	secret        []byte
	stream, epoch uint32

	aead  cipher.AEAD
	block uint64 // of frames, that aead is for
	next  uint64 // the first frame number that was not sealed yet
	nonce [wire.NonceSize]byte
}

func newFrameSeal(secret []byte, stream, epoch uint32) *frameSeal {
	return &frameSeal{secret: secret, stream: stream, epoch: epoch}
}

// frameKey is the key of a block of frames.
func frameKey(secret []byte, stream, epoch uint32, block uint64) ([]byte, error) {
	info := fmt.Sprintf("%s: stream %d, epoch %d, block %d", labelFrames, stream, epoch, block)
	return hkdf.Expand(sha256.New, secret, info, frameKeySize)
}

// use makes ready for a frame.
func (f *frameSeal) use(frame uint64) error {
	if block := frame / framesPerKey; f.aead == nil || block != f.block {
		key, err := frameKey(f.secret, f.stream, f.epoch, block)
		if err != nil {
			return fmt.Errorf("key of frames: %w", err)
		}
		c, err := aes.NewCipher(key)
		if err != nil {
			return fmt.Errorf("key of frames: %w", err)
		}
		if f.aead, err = cipher.NewGCM(c); err != nil {
			return fmt.Errorf("key of frames: %w", err)
		}
		f.block = block
	}
	f.nonce = wire.FrameNonce(frame)
	return nil
}

// seal seals the first n bytes of space where they lie, and puts the tag behind.
func (f *frameSeal) seal(frame uint64, head, space []byte, n int) error {
	if frame < f.next {
		return fmt.Errorf("frame %d of stream %d: %w", frame, f.stream, errNonce)
	}
	if err := f.use(frame); err != nil {
		return err
	}
	f.next = frame + 1
	f.aead.Seal(space[:0:n+wire.TagSize], f.nonce[:], space[:n], head)
	return nil
}

// open opens a frame where it lies, which must be memory that no peer can write to, and
// returns its data.
func (f *frameSeal) open(frame uint64, head, sealed []byte) ([]byte, error) {
	if err := f.use(frame); err != nil {
		return nil, err
	}
	data, err := f.aead.Open(sealed[:0], f.nonce[:], sealed, head)
	if err != nil {
		return nil, ErrForged
	}
	return data, nil
}

// brokenFrame has a stream end for a frame that can't be taken: what it carried comes
// again over another, or over this one when it was opened anew.
func (w *recvWorker) brokenFrame(frame uint64, err error) error {
	return &transport.StreamError{Op: "open frame", Rail: w.stream.Rail(), Stream: w.id, Err: fmt.Errorf("frame %d: %w", frame, err)}
}
