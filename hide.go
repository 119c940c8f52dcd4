package ksher

import (
	"github.com/ksher-go/ksher/internal/transport"
	"github.com/ksher-go/ksher/internal/wire"
)

// leave takes out of a failure what is secret.
func (s secrets) leave(e *Error, params []wire.Param) {
	if s.said {
		e.Message = ""
	}
	for _, p := range params {
		if s.params(p.Name) {
			e.hide(p)
		}
	}
}

// hide takes what the other side echoed of a parameter out of the error. A code
// that is documented is never an echo.
func (e *Error) hide(p wire.Param) {
	if transport.Echoes(e.Message, p.Value) {
		e.Message = ""
	}
	if _, documented := e.Code.Info(); !documented && transport.Echoes(string(e.Code), p.Value) {
		e.Code = ""
	}
	if e.Err != nil && transport.Echoes(e.Err.Error(), p.Value) {
		e.Err = transport.Unquoted(p.Name, e.Err)
	}
}
