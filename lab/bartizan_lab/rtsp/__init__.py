"""RTSP as cameras speak it (RFC 2326), over TCP with interleaved RTP: enough for a recorder to pull a stream."""
