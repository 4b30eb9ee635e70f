package wire

import "google.golang.org/protobuf/encoding/protowire"

// The methods in this file append or take one field each. Those whose name ends in If
// are for fields that need not be set where that differs from the default value.

func (f *fields) uint64(n number, need bool, x *uint64) {
	if !f.taking {
		if need || *x != 0 {
			f.put(n, *x)
		}
		return
	}
	if need {
		f.needed |= 1 << n
	}
	for f.at(n, protowire.VarintType) {
		*x = f.v
		f.done()
	}
}

func (f *fields) uint32(n number, need bool, x *uint32) {
	if !f.taking {
		if need || *x != 0 {
			f.put(n, uint64(*x))
		}
		return
	}
	if need {
		f.needed |= 1 << n
	}
	for f.at(n, protowire.VarintType) {
		*x = uint32(f.v)
		f.done()
	}
}

// int32 is for int32 and for enums.
func (f *fields) int32(n number, need bool, x *int32) {
	if !f.taking {
		if need || *x != 0 {
			f.put(n, uint64(int64(*x)))
		}
		return
	}
	if need {
		f.needed |= 1 << n
	}
	for f.at(n, protowire.VarintType) {
		*x = int32(f.v)
		f.done()
	}
}

func (f *fields) bool(n number, x *bool) {
	if !f.taking {
		if *x {
			f.put(n, 1)
		}
		return
	}
	for f.at(n, protowire.VarintType) {
		*x = f.v != 0
		f.done()
	}
}

// boolNot is for a field that is true by default; x is its opposite.
func (f *fields) boolNot(n number, x *bool) {
	if !f.taking {
		if *x {
			f.put(n, 0)
		}
		return
	}
	for f.at(n, protowire.VarintType) {
		*x = f.v == 0
		f.done()
	}
}

func (f *fields) uint64If(n number, has *bool, x *uint64) {
	if !f.taking {
		if *has {
			f.put(n, *x)
		}
		return
	}
	for f.at(n, protowire.VarintType) {
		*has, *x = true, f.v
		f.done()
	}
}

func (f *fields) int64If(n number, has *bool, x *int64) {
	if !f.taking {
		if *has {
			f.put(n, uint64(*x))
		}
		return
	}
	for f.at(n, protowire.VarintType) {
		*has, *x = true, int64(f.v)
		f.done()
	}
}

// int32If is for int32 and for enums.
func (f *fields) int32If(n number, has *bool, x *int32) {
	if !f.taking {
		if *has {
			f.put(n, uint64(int64(*x)))
		}
		return
	}
	for f.at(n, protowire.VarintType) {
		*has, *x = true, int32(f.v)
		f.done()
	}
}

// int64s also takes the packed form.
func (f *fields) int64s(n number, list *[]int64) {
	if !f.taking {
		for _, x := range *list {
			f.put(n, uint64(x))
		}
		return
	}
	for f.num == n {
		switch f.typ {
		case protowire.VarintType:
			*list = append(*list, int64(f.v))
		case protowire.BytesType:
			for s := f.s; len(s) > 0; {
				v, m := protowire.ConsumeVarint(s)
				if m < 0 {
					f.fail(m)
					return
				}
				*list = append(*list, int64(v))
				s = s[m:]
			}
		default:
			return
		}
		f.done()
	}
}

// string leaves x as it is when it is equal to what is taken: no memory is needed
// for a text that was there before.
func (f *fields) string(n number, need bool, x *string) {
	if !f.taking {
		if need || *x != "" {
			f.tag(n, protowire.BytesType)
			f.out = protowire.AppendString(f.out, *x)
		}
		return
	}
	if need {
		f.needed |= 1 << n
	}
	for f.at(n, protowire.BytesType) {
		if *x != string(f.s) {
			*x = string(f.s)
		}
		f.done()
	}
}

func (f *fields) stringIf(n number, has *bool, x *string) {
	if !f.taking {
		if *has {
			f.tag(n, protowire.BytesType)
			f.out = protowire.AppendString(f.out, *x)
		}
		return
	}
	for f.at(n, protowire.BytesType) {
		*has, *x = true, string(f.s)
		f.done()
	}
}

func (f *fields) strings(n number, list *[]string) {
	if !f.taking {
		for _, x := range *list {
			f.tag(n, protowire.BytesType)
			f.out = protowire.AppendString(f.out, x)
		}
		return
	}
	for f.at(n, protowire.BytesType) {
		*list = append(*list, string(f.s))
		f.done()
	}
}

// bytes tells a field that is not set by nil from an empty one. What is taken
// points into the input.
func (f *fields) bytes(n number, need bool, x *[]byte) {
	if !f.taking {
		if need || *x != nil {
			f.tag(n, protowire.BytesType)
			f.out = protowire.AppendBytes(f.out, *x)
		}
		return
	}
	if need {
		f.needed |= 1 << n
	}
	for f.at(n, protowire.BytesType) {
		*x = f.s[:len(f.s):len(f.s)]
		if *x == nil {
			*x = []byte{}
		}
		f.done()
	}
}
