package config

import (
	"io"
	"log/slog"
)

// NewLogger returns a logger to w with the level and format of c.
func NewLogger(c *Config, w io.Writer) *slog.Logger {
	options := &slog.HandlerOptions{Level: level(c.LogLevel)}
	if c.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}

func level(name string) slog.Level {
	var l slog.Level
	if l.UnmarshalText([]byte(name)) != nil {
		return slog.LevelInfo
	}
	return l
}
