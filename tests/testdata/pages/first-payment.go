package shop

import "log/slog"

var _ slog.Level
