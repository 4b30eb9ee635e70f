package config

import (
	"io"
	"log/slog"
)

// NewLogger returns a logger to w with the level and format of c. The level may be
// changed later, see [Config.SetLevel].
func NewLogger(c *Config, w io.Writer) (*slog.Logger, *slog.LevelVar) {
	level := new(slog.LevelVar)
	c.SetLevel(level)
	options := &slog.HandlerOptions{Level: level}
	if c.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, options)), level
	}
	return slog.New(slog.NewTextHandler(w, options)), level
}

// SetLevel makes c's level that of a logger. A nil level stays as it is.
func (c *Config) SetLevel(level *slog.LevelVar) {
	if level != nil && level.UnmarshalText([]byte(c.LogLevel)) != nil {
		level.Set(slog.LevelInfo)
	}
}
