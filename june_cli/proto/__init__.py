"""gRPC contracts of June's speech services; the stubs beside the .proto files are made at build time."""
