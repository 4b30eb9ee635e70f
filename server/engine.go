package server

import (
	"errors"

	"github.com/lesismal/nbio"
)

// errOtherNbio: the version of nbio that is linked is not the one this was written for.
var errOtherNbio = errors.New("nbio's pollers are not as expected")

// startEngine starts the event loops. It returns when all pollers run.
func (s *Server) startEngine() (err error) {
	s.engine = nbio.NewEngine(nbio.Config{
		Name:           "pulsegate",
		NPoller:        s.o.pollers,
		ReadBufferSize: readBuffer,
		EpollMod:       nbio.EPOLLET,
	})
	if s.inConn, err = findAddresses(); err != nil {
		return err
	}
	if s.watch, err = newWatch(); err != nil {
		return err
	}
	s.engine.OnOpen(s.onOpen)
	s.engine.OnClose(s.onClose)
	s.engine.OnRead(s.onRead)
	if err := s.engine.Start(); err != nil {
		s.watch.close()
		return err
	}
	s.loops.Go(s.watch.run)
	if err := s.openEntrances(); err != nil {
		s.watch.close()
		return err // the pollers are left to the end of the process, as nbio's Stop might not return
	}
	return nil
}

// stopEngine closes every connection and ends the pollers. It waits for onClose
// of every connection.
func (s *Server) stopEngine() {
	s.closeEntrances()
	s.engine.Stop()
	s.closeBells()
	s.watch.close()
}

// onOpen is nbio's call from within AddConn, before the first event.
func (s *Server) onOpen(nc *nbio.Conn) {
	if c, ok := nc.Session().(*conn); ok {
		s.entranceOf(nc).opened = true
		c.wake(wantNew)
	}
}

// onClose is nbio's call for a closed socket, on a goroutine of nbio's.
func (s *Server) onClose(nc *nbio.Conn, _ error) {
	if c, ok := owner(nc).(*conn); ok {
		s.watch.remove(c)
		c.wake(wantGone)
	}
}

// setOwner says whose connection it is: a *conn or, for what wakes a poller up, an
// *entrance.
func setOwner(nc *nbio.Conn, o any) {
	nc.Lock()
	defer nc.Unlock()
	nc.SetSession(o)
}

// owner finds what setOwner has set, on whatever goroutine of nbio's.
func owner(nc *nbio.Conn) any {
	nc.Lock()
	defer nc.Unlock()
	return nc.Session()
}
