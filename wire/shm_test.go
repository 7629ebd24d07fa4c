package wire

import (
	"bytes"
	"testing"
)

func sampleSHM() (SHMRail, SHMOffer) {
	return SHMRail{Boot: [16]byte{1}, Dev: 2, Inode: 3}, SHMOffer{Nonce: [16]byte{4}, Name: [16]byte{5}}
}

func FuzzParseSHM(f *testing.F) {
	r, o := sampleSHM()
	f.Add(r.Append(nil))
	f.Add(o.Append(nil))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		if r, err := ParseSHMRail(b); err == nil && !bytes.Equal(r.Append(nil), b) {
			t.Errorf("rail written again differs: %+v of %x", r, b)
		}
		if o, err := ParseSHMOffer(b); err == nil && !bytes.Equal(o.Append(nil), b) {
			t.Errorf("offer written again differs: %+v of %x", o, b)
		}
	})
}

func TestSHMLayoutsHaveGoldenBytes(t *testing.T) {
	r, o := sampleSHM()
	golden(t, "shmrail", r.Append(nil))
	golden(t, "shmoffer", o.Append(nil))
}
