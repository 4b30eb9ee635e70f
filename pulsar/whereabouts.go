package pulsar

// connTo finds a connection to the broker that serves a topic: the one whose URL is assigned, if that is one, else the one
// that a lookup at s finds; nil: at the client's own service. Producers and consumers are spread over the connections to a broker.
// done is called once.
func (c *Client) connTo(s *service, assigned, topic, principal string, done func(*conn, error)) {
	if s == nil {
		s = &c.service
	}
	found := func(to broker, err error) {
		if err != nil {
			done(nil, err)
			return
		}
		slot := 0
		if n := c.o.ConnectionsPerBroker; n > 1 {
			slot = int(c.slot.Add(1)) % n
		}
		c.pool.get(connKey{to, principal, slot}, done)
	}
	if assigned != "" {
		if to, err := parseBroker(assigned, s.tls); err == nil {
			found(to, nil)
			return
		}
	}
	c.locate(s, topic, principal, found)
}

// otherCluster is where a topic has moved to, by the URL that a broker names. It returns nil, and says so, if that cannot be used.
func (c *Client) otherCluster(topic, url string) *service {
	s, err := parseService(url)
	if err != nil || s.http {
		c.o.Log.Warn("a topic has moved to a cluster whose URL is of no use", "topic", topic, "url", url, "error", err)
		return nil
	}
	return &s
}
