package config

func later(s Section, name, def, doc string) Key {
	return Key{Name: name, Section: s, Default: def, Doc: doc, Effect: WithoutEffect, kind: anything()}
}

func refused(s Section, name, def, doc string, k kind) Key {
	return Key{Name: name, Section: s, Default: def, Doc: doc, Effect: Unsupported, kind: k}
}
