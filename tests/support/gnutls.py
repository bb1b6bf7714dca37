#!/usr/bin/python3
"""GnuTLS as the other end of a DTLS session: gnutls.py client|server|careful-server PRIORITY KEY

Its datagrams go over the UDP socket that is its stdin, which is connected to its peer. It sends back each record that
it gets, and says goodbye when one is "goodbye". A careful server asks for a cookie first. KEY is in hex."""

import ctypes
import socket
import sys
from ctypes import byref, c_char_p, c_int, c_ssize_t, c_uint, c_void_p

SERVER, CLIENT, DATAGRAM = 1, 2, 4
CREDENTIALS_PSK = 4
KEY_HEX = 1
E_AGAIN, E_INTERRUPTED = -28, -52
SHUT_WR = 1
IDENTITY = b"AUTHPWD_admin"

gnutls = ctypes.CDLL("libgnutls.so.30")
gnutls.gnutls_strerror.restype = c_char_p
# The library frees keys that it asks for, so they are its own memory.
allocate = ctypes.CFUNCTYPE(c_void_p, ctypes.c_size_t)(c_void_p.in_dll(gnutls, "gnutls_malloc").value)
for name in ("gnutls_record_send", "gnutls_record_recv"):
    getattr(gnutls, name).restype = c_ssize_t


class Datum(ctypes.Structure):
    _fields_ = [("data", c_void_p), ("size", c_uint)]


class Prestate(ctypes.Structure):
    _fields_ = [("record_seq", c_uint), ("hsk_read_seq", c_uint), ("hsk_write_seq", c_uint)]


def check(result):
    if result < 0:
        sys.exit(gnutls.gnutls_strerror(result).decode())
    return result


def patient(call, *arguments):
    """Calls again what was interrupted."""
    while (result := call(*arguments)) in (E_AGAIN, E_INTERRUPTED):
        pass
    return check(result)


def datum(data):
    buffer = ctypes.create_string_buffer(data, len(data))
    return Datum(ctypes.cast(buffer, c_void_p), len(data)), buffer


def key_for(key):
    """Makes the call by which a server asks for the key of an identity."""

    @ctypes.CFUNCTYPE(c_int, c_void_p, c_char_p, ctypes.POINTER(Datum))
    def find(_session, identity, found):
        if identity != IDENTITY:
            return -1
        found[0] = Datum(allocate(len(key)), len(key))
        ctypes.memmove(found[0].data, key, len(key))
        return 0

    return find


def ask_for_cookie(wire, session):
    """Answers hellos with HelloVerifyRequest until one brings the cookie."""
    secret, prestate = Datum(), Prestate()
    check(gnutls.gnutls_key_generate(byref(secret), 16))
    hello = ctypes.create_string_buffer(2048)
    asked = False
    while True:
        size = wire.recv_into(hello, 2048, socket.MSG_PEEK)
        if gnutls.gnutls_dtls_cookie_verify(byref(secret), b"peer", 4, hello, size, byref(prestate)) == 0:
            assert asked, "a cookie came before it was asked for"
            gnutls.gnutls_dtls_prestate_set(session, byref(prestate))
            return
        wire.recv(2048)
        push = ctypes.CFUNCTYPE(c_ssize_t, c_void_p, c_void_p, ctypes.c_size_t)(
            lambda _, data, length: wire.send(ctypes.string_at(data, length)))
        check(gnutls.gnutls_dtls_cookie_send(byref(secret), b"peer", 4, byref(prestate), None, push))
        asked = True


def main(role, priority, key):
    wire = socket.socket(fileno=0)
    wire.settimeout(None)
    session, credentials = c_void_p(), c_void_p()
    check(gnutls.gnutls_init(byref(session), DATAGRAM | (CLIENT if role == "client" else SERVER)))
    check(gnutls.gnutls_priority_set_direct(session, priority.encode(), None))
    if role == "client":
        check(gnutls.gnutls_psk_allocate_client_credentials(byref(credentials)))
        hex_key, _kept = datum(key.encode())
        check(gnutls.gnutls_psk_set_client_credentials(credentials, IDENTITY, byref(hex_key), KEY_HEX))
    else:
        check(gnutls.gnutls_psk_allocate_server_credentials(byref(credentials)))
        find = key_for(bytes.fromhex(key))
        gnutls.gnutls_psk_set_server_credentials_function(credentials, find)
    check(gnutls.gnutls_credentials_set(session, CREDENTIALS_PSK, credentials))
    if role == "careful-server":
        ask_for_cookie(wire, session)
    gnutls.gnutls_transport_set_int2(session, wire.fileno(), wire.fileno())
    patient(gnutls.gnutls_handshake, session)

    record = ctypes.create_string_buffer(16384)
    while (size := patient(gnutls.gnutls_record_recv, session, record, len(record))) > 0:
        if record.raw[:size] == b"goodbye":
            check(gnutls.gnutls_bye(session, SHUT_WR))
            return
        patient(gnutls.gnutls_record_send, session, record, size)


main(*sys.argv[1:])
