package fleet

import (
	"errors"
	"fmt"
	"syscall"
	"time"
)

// Roll starts another process in place of one, sends that a SIGTERM, and waits for it, as a
// rolling update does. It fails unless the process ends with exit code 0 within the limit.
// Like [Fleet.Doom] it leaves alone a process that somebody else has.
func (f *Fleet) Roll(name string, limit time.Duration) error {
	s := f.take(name)
	if s == nil {
		return nil
	}
	s.mu.Lock()
	old := s.process
	err := f.start(s)
	s.mu.Unlock()
	return errors.Join(err, old.stop(limit))
}

// Stop sends every process a SIGTERM, and fails unless each ends with exit code 0 within the
// limit. None takes its place.
func (f *Fleet) Stop(limit time.Duration) error {
	stopped := make(chan error)
	names := f.Alive()
	for _, name := range names {
		s := f.take(name)
		go func() { stopped <- s.stop(limit) }()
	}
	var err error
	for range names {
		err = errors.Join(err, <-stopped)
	}
	return err
}

// stop ends the process as a service manager does.
func (p process) stop(limit time.Duration) error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("stopping a server: %w", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- p.cmd.Wait() }()
	select {
	case err := <-ended:
		p.stdin.Close()
		if err != nil {
			return fmt.Errorf("a server that was stopped: %w", err)
		}
		return nil
	case <-time.After(limit):
		p.cmd.Process.Kill()
		<-ended
		p.stdin.Close()
		return fmt.Errorf("a server took longer than %v to stop", limit)
	}
}
