"""What June's plugins stand on. It knows no plugin."""
