package wire

// GetTopics is CommandGetTopicsOfNamespace: which topics has this namespace?
type GetTopics struct {
	RequestID     uint64
	Namespace     string
	Mode          TopicsMode
	TopicsPattern string // a Java regular expression, for the broker to choose by
	TopicsHash    string // what the last answer said
}

// Type implements [Command].
func (c *GetTopics) Type() Type { return TypeGetTopics }

// Name implements [Command].
func (c *GetTopics) Name() string { return "CommandGetTopicsOfNamespace" }

func (c *GetTopics) fields(f *fields) {
	f.uint64(1, required, &c.RequestID)
	f.string(2, required, &c.Namespace)
	f.int32(3, optional, (*int32)(&c.Mode))
	f.string(4, optional, &c.TopicsPattern)
	f.string(5, optional, &c.TopicsHash)
}

// GetTopicsResponse is CommandGetTopicsOfNamespaceResponse, the answer to
// [GetTopics].
type GetTopicsResponse struct {
	RequestID  uint64
	Topics     []string
	Filtered   bool // the broker chose by the pattern
	TopicsHash string
	Unchanged  bool // the opposite of changed: the topics are those of TopicsHash
}

// Type implements [Command].
func (c *GetTopicsResponse) Type() Type { return TypeGetTopicsResponse }

// Name implements [Command].
func (c *GetTopicsResponse) Name() string { return "CommandGetTopicsOfNamespaceResponse" }

func (c *GetTopicsResponse) fields(f *fields) {
	f.uint64(1, required, &c.RequestID)
	f.strings(2, &c.Topics)
	f.bool(3, &c.Filtered)
	f.string(4, optional, &c.TopicsHash)
	f.boolNot(5, &c.Unchanged)
}

// WatchTopicList is CommandWatchTopicList: tell which topics match, now and
// whenever it changes.
type WatchTopicList struct {
	RequestID     uint64
	WatcherID     uint64 // chosen by the client, of this connection
	Namespace     string
	TopicsPattern string
	TopicsHash    string // after a reconnect: what was told last
}

// Type implements [Command].
func (c *WatchTopicList) Type() Type { return TypeWatchTopicList }

// Name implements [Command].
func (c *WatchTopicList) Name() string { return "CommandWatchTopicList" }

func (c *WatchTopicList) fields(f *fields) {
	f.uint64(1, required, &c.RequestID)
	f.uint64(2, required, &c.WatcherID)
	f.string(3, required, &c.Namespace)
	f.string(4, required, &c.TopicsPattern)
	f.string(5, optional, &c.TopicsHash)
}

// WatchTopicListSuccess is CommandWatchTopicListSuccess, the answer to
// [WatchTopicList].
type WatchTopicListSuccess struct {
	RequestID  uint64
	WatcherID  uint64
	Topics     []string // topic
	TopicsHash string
}

// Type implements [Command].
func (c *WatchTopicListSuccess) Type() Type { return TypeWatchTopicListSuccess }

// Name implements [Command].
func (c *WatchTopicListSuccess) Name() string { return "CommandWatchTopicListSuccess" }

func (c *WatchTopicListSuccess) fields(f *fields) {
	f.uint64(1, required, &c.RequestID)
	f.uint64(2, required, &c.WatcherID)
	f.strings(3, &c.Topics)
	f.string(4, required, &c.TopicsHash)
}

// WatchTopicUpdate is CommandWatchTopicUpdate: what has changed for a watcher.
type WatchTopicUpdate struct {
	WatcherID     uint64
	NewTopics     []string
	DeletedTopics []string
	TopicsHash    string
}

// Type implements [Command].
func (c *WatchTopicUpdate) Type() Type { return TypeWatchTopicUpdate }

// Name implements [Command].
func (c *WatchTopicUpdate) Name() string { return "CommandWatchTopicUpdate" }

func (c *WatchTopicUpdate) fields(f *fields) {
	f.uint64(1, required, &c.WatcherID)
	f.strings(2, &c.NewTopics)
	f.strings(3, &c.DeletedTopics)
	f.string(4, required, &c.TopicsHash)
}

// WatchTopicListClose is CommandWatchTopicListClose: end a watcher.
type WatchTopicListClose struct {
	RequestID uint64
	WatcherID uint64
}

// Type implements [Command].
func (c *WatchTopicListClose) Type() Type { return TypeWatchTopicListClose }

// Name implements [Command].
func (c *WatchTopicListClose) Name() string { return "CommandWatchTopicListClose" }

func (c *WatchTopicListClose) fields(f *fields) {
	f.uint64(1, required, &c.RequestID)
	f.uint64(2, required, &c.WatcherID)
}

// TopicMigrated is CommandTopicMigrated: the topic of a producer or consumer lives in
// another cluster from now on.
type TopicMigrated struct {
	ResourceID          uint64 // the producer's or consumer's id
	ResourceType        ResourceType
	BrokerServiceURL    string
	BrokerServiceURLTLS string
}

// Type implements [Command].
func (c *TopicMigrated) Type() Type { return TypeTopicMigrated }

// Name implements [Command].
func (c *TopicMigrated) Name() string { return "CommandTopicMigrated" }

func (c *TopicMigrated) fields(f *fields) {
	f.uint64(1, required, &c.ResourceID)
	f.int32(2, required, (*int32)(&c.ResourceType))
	f.string(3, optional, &c.BrokerServiceURL)
	f.string(4, optional, &c.BrokerServiceURLTLS)
}
