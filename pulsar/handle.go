package pulsar

import "github.com/pulsegate/pulsegate/pulsar/wire"

// handle does what a frame asks for. An error ends the connection.
func (c *conn) handle(f wire.Frame) error {
	if f.Type == wire.TypeSendReceipt {
		if err := wire.ParseSendReceipt(f.Body, &c.receipt); err != nil {
			return err
		}
		if p := c.producers.find(c.receipt.ProducerID); p != nil {
			p.receipt(c, &c.receipt)
		}
		return nil
	}
	if f.Type == wire.TypeMessage {
		if err := wire.ParseMessage(f.Body, &c.incoming); err != nil {
			return err
		}
		if x := c.consumers.find(c.incoming.ConsumerID); x != nil {
			x.message(c, &c.incoming, f.Rest)
		}
		return nil
	}
	cmd := wire.New(f.Type)
	if cmd == nil {
		c.client.o.Log.Debug("a broker sent a command that is not known", "broker", c.to.String(), "type", int(f.Type))
		return nil
	}
	if err := wire.Parse(f.Body, cmd); err != nil {
		return err
	}
	switch cmd := cmd.(type) {
	case *wire.Ping:
		c.command(&wire.Pong{})
	case *wire.AuthChallenge:
		if c.login.CompareAndSwap(false, true) {
			c.client.wg.Go(c.authenticate) // the login may ask others
		}
	case *wire.Error:
		c.answer(cmd.RequestID, nil, brokerError(cmd.Error, cmd.Message))
	case *wire.Success:
		c.answer(cmd.RequestID, cmd, nil)
	case *wire.LookupResponse:
		if cmd.Response == wire.LookupFailed || cmd.HasError {
			c.answer(cmd.RequestID, nil, brokerError(cmd.Error, cmd.Message))
		} else {
			c.answer(cmd.RequestID, cmd, nil)
		}
	case *wire.PartitionedMetadataResponse:
		if cmd.Response == wire.PartitionsFailed || cmd.HasError {
			c.answer(cmd.RequestID, nil, brokerError(cmd.Error, cmd.Message))
		} else {
			c.answer(cmd.RequestID, cmd, nil)
		}
	case *wire.ProducerSuccess:
		c.answer(cmd.RequestID, cmd, nil)
	case *wire.SendError:
		if p := c.producers.find(cmd.ProducerID); p != nil {
			p.refused(c, cmd)
		}
	case *wire.CloseProducer:
		if p := c.producers.find(cmd.ProducerID); p != nil {
			c.producers.remove(cmd.ProducerID)
			url := pickURL(c.to.tls, cmd.AssignedBrokerServiceURL, cmd.AssignedBrokerServiceURLTLS)
			p.closedByBroker(c, cmd.ProducerID, url)
		}
	case *wire.TopicMigrated:
		url := pickURL(c.to.tls, cmd.BrokerServiceURL, cmd.BrokerServiceURLTLS)
		if cmd.ResourceType == wire.ProducerResource {
			if p := c.producers.find(cmd.ResourceID); p != nil {
				p.migrated(cmd.ResourceID, url)
			}
		} else if x := c.consumers.find(cmd.ResourceID); x != nil {
			x.migrated(cmd.ResourceID, url)
		}
	default:
		c.handleForConsumers(cmd)
	}
	return nil
}

// authenticate answers an AUTH_CHALLENGE on a connection that is up.
func (c *conn) authenticate() {
	if c.principal != "" && c.client.principals.challenged(c) {
		c.login.Store(false)
		return
	}
	cmd, err := c.authResponse()
	c.login.Store(false)
	if err != nil {
		c.fail(err)
		return
	}
	c.command(cmd)
}
