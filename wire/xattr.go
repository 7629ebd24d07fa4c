package wire

// xattr is the layout of an Xattr.
type xattr struct {
	Name  []byte `cbor:"1,keyasint"`
	Value []byte `cbor:"2,keyasint,omitempty"`
}

// MarshalCBOR implements cbor.Marshaler.
func (x Xattr) MarshalCBOR() ([]byte, error) {
	md, err := theModes()
	if err != nil {
		return nil, err
	}
	return md.enc.Marshal(xattr{Name: []byte(x.Name), Value: x.Value})
}

// UnmarshalCBOR implements cbor.Unmarshaler.
func (x *Xattr) UnmarshalCBOR(b []byte) error {
	md, err := theModes()
	if err != nil {
		return err
	}
	var raw xattr
	if err := md.dec.Unmarshal(b, &raw); err != nil {
		return err
	}
	*x = Xattr{Name: string(raw.Name), Value: raw.Value}
	return nil
}
