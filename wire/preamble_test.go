package wire

import (
	"bytes"
	"errors"
	"testing"
)

func TestForeignSpeechIsNamed(t *testing.T) {
	tests := map[string]string{
		"SSH-2.0-OpenSSH_9.2\r\n": "ssh", "HTTP/1.1 400 Bad Request": "http", "GET / HTTP/1.1": "http",
		"\x16\x03\x01\x02\x00": "tls", "220 mail ESMTP": "smtp or ftp", "\x15\x03\x01": "tls", "@RSYNCD: 31.0": "rsync", "SS": `"SS"`, "\x00\x01": `"\x00\x01"`,
	}
	for in, want := range tests {
		_, err := ParsePreamble([]byte(in))
		var foreign *ForeignError
		if !errors.As(err, &foreign) || foreign.Speaks != want {
			t.Errorf("%q: %v, want %s", in, err, want)
		}
	}
	p, err := ParsePreamble(AppendPreamble(nil, Preamble{Kind: KindData, Version: 99}))
	if err != nil || p.Version != 99 {
		t.Errorf("another version must parse: %+v %v", p, err)
	}
	if _, err := ParsePreamble([]byte("SRDM")); !errors.Is(err, ErrMalformed) {
		t.Errorf("half a preamble: %v", err)
	}
}

func FuzzParsePreamble(f *testing.F) {
	f.Add(AppendPreamble(nil, Preamble{Kind: KindControl, Version: 1}))
	f.Add([]byte("SSH-2.0-OpenSSH"))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := ParsePreamble(b)
		if err == nil && !bytes.Equal(AppendPreamble(nil, p), b[:PreambleSize]) {
			t.Errorf("preamble written again differs: %+v of %x", p, b)
		}
	})
}

func TestPreambleHasGoldenBytes(t *testing.T) {
	golden(t, "preamble", AppendPreamble(nil, Preamble{Kind: KindControl, Version: 1}))
}

func TestPreambleRefuses(t *testing.T) {
	for name, b := range map[string]string{
		"another kind":        "SRDMX\x00\x01\x00",
		"a byte that is zero": "SRDMD\x01\x01\x00",
		"seven bytes":         "SRDMD\x00\x01",
	} {
		if _, err := ParsePreamble([]byte(b)); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := ParsePreamble(nil); err == nil {
		t.Error("nothing at all is a preamble")
	}
}
