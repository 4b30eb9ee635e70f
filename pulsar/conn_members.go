package pulsar

// members are what a connection tells of what the broker says, of one kind, by the ids that it and the broker know them by.
type members[T any] struct {
	conn *conn
	byID map[uint64]*T // guarded by conn.mu; empty once the connection is dead
}

// add makes the connection tell x what concerns id. It returns why the connection is dead, if it is.
func (m *members[T]) add(id uint64, x *T) error {
	m.conn.mu.Lock()
	defer m.conn.mu.Unlock()
	if m.conn.state == connUp {
		if m.byID == nil {
			m.byID = map[uint64]*T{}
		}
		m.byID[id] = x
	}
	return m.conn.err
}

func (m *members[T]) remove(id uint64) {
	m.conn.mu.Lock()
	delete(m.byID, id)
	m.conn.mu.Unlock()
}

// find returns nil if there is none.
func (m *members[T]) find(id uint64) *T {
	m.conn.mu.Lock()
	defer m.conn.mu.Unlock()
	return m.byID[id]
}
