// librdmacm behind pointers, as lib.h is libibverbs. Its header is not needed to
// build: few machines that build this have it, and what is used of its binary
// interface is small and has been the same since the first librdmacm.so.1. Objects
// are made by the library and only their first fields are read here; the one that
// is made here is cm_param.
#ifndef SCP_RDMA_IBV_CM_H
#define SCP_RDMA_IBV_CM_H

#include "lib.h"

struct sockaddr;

// cm_channel is struct rdma_event_channel, cm_id the beginning of struct rdma_cm_id.
struct cm_channel {
	int fd;
};
struct cm_id {
	struct ibv_context *verbs; // of the library's own opening of the device; NULL before that is known
	struct cm_channel *channel;
	void *context;
	struct ibv_qp *qp; // stays NULL: QPs are made as without rdma_cm
};

// cm_param is struct rdma_conn_param.
struct cm_param {
	const void *private_data;
	uint8_t private_data_len;
	uint8_t responder_resources, initiator_depth, flow_control, retry_count, rnr_retry_count;
	uint8_t srq;
	uint32_t qp_num;
};

// cm_event is the beginning of struct rdma_cm_event.
struct cm_event {
	struct cm_id *id, *listen_id;
	int event, status;
	struct cm_param conn; // of events of connections
};

// enum rdma_cm_event_type.
enum {
	CM_ADDR_RESOLVED, CM_ADDR_ERROR, CM_ROUTE_RESOLVED, CM_ROUTE_ERROR, CM_CONNECT_REQUEST, CM_CONNECT_RESPONSE, CM_CONNECT_ERROR,
	CM_UNREACHABLE, CM_REJECTED, CM_ESTABLISHED, CM_DISCONNECTED, CM_DEVICE_REMOVAL
};

// Every function that is used: result, name, version that first had it, arguments.
#define CM_FUNCTIONS(F) \
	F(struct cm_channel *, create_event_channel, "RDMACM_1.0", (void)) \
	F(void, destroy_event_channel, "RDMACM_1.0", (struct cm_channel *)) \
	F(int, create_id, "RDMACM_1.0", (struct cm_channel *, struct cm_id **, void *, int)) \
	F(int, destroy_id, "RDMACM_1.0", (struct cm_id *)) \
	F(int, set_option, "RDMACM_1.0", (struct cm_id *, int, int, void *, size_t)) \
	F(int, bind_addr, "RDMACM_1.0", (struct cm_id *, struct sockaddr *)) \
	F(int, listen, "RDMACM_1.0", (struct cm_id *, int)) \
	F(__be16, get_src_port, "RDMACM_1.0", (struct cm_id *)) \
	F(int, resolve_addr, "RDMACM_1.0", (struct cm_id *, struct sockaddr *, struct sockaddr *, int)) \
	F(int, resolve_route, "RDMACM_1.0", (struct cm_id *, int)) \
	F(int, connect, "RDMACM_1.0", (struct cm_id *, struct cm_param *)) \
	F(int, accept, "RDMACM_1.0", (struct cm_id *, struct cm_param *)) \
	F(int, reject, "RDMACM_1.0", (struct cm_id *, const void *, uint8_t)) \
	F(int, migrate_id, "RDMACM_1.0", (struct cm_id *, struct cm_channel *)) \
	F(int, get_cm_event, "RDMACM_1.0", (struct cm_channel *, struct cm_event **)) \
	F(int, ack_cm_event, "RDMACM_1.0", (struct cm_event *)) \
	F(int, establish, "RDMACM_1.2", (struct cm_id *)) \
	F(int, init_qp_attr, "RDMACM_1.2", (struct cm_id *, struct ibv_qp_attr *, int *))

// cm_lib is the opened library. It is never closed.
struct cm_lib {
#define F(result, name, version, arguments) result (*name) arguments;
	CM_FUNCTIONS(F)
#undef F
};

// lib_cm_event is an event, acknowledged already.
#define LIB_CM_PRIVATE 56
struct lib_cm_event {
	struct cm_id *id; // of a request: the new one
	int type, status;
	int length; // of private
	unsigned char private[LIB_CM_PRIVATE];
};

// lib_cm_open opens the library of that file name; NULL: why is said in text.
struct cm_lib *lib_cm_open(const char *file, char *text, size_t size);

// Thin calls: 0 or a positive errno.
int lib_cm_channel(struct cm_lib *l, struct cm_channel **ch);
void lib_cm_close_channel(struct cm_lib *l, struct cm_channel *ch);
int lib_cm_destroy(struct cm_lib *l, struct cm_id *id);
int lib_cm_resolve_route(struct cm_lib *l, struct cm_id *id, int ms);
int lib_cm_reject(struct cm_lib *l, struct cm_id *id);
int lib_cm_migrate(struct cm_lib *l, struct cm_id *id, struct cm_channel *ch);
int lib_cm_establish(struct cm_lib *l, struct cm_id *id);
int lib_cm_attr(struct cm_lib *l, struct cm_id *id, int state, struct ibv_qp_attr *a, int *mask);

// lib_cm_listen makes an id that listens at a sockaddr, and says at which port.
int lib_cm_listen(struct cm_lib *l, struct cm_channel *ch, const void *addr, int backlog, struct cm_id **id, int *port);

// lib_cm_resolve makes an id and has the way from one sockaddr to another looked for.
int lib_cm_resolve(struct cm_lib *l, struct cm_channel *ch, const void *from, const void *to, int ms, struct cm_id **id);

// lib_cm_connect and lib_cm_accept say which QP is meant, as the library knows none.
int lib_cm_connect(struct cm_lib *l, struct cm_id *id, const void *data, int length, uint32_t qpn, int retries, int rnr);
int lib_cm_accept(struct cm_lib *l, struct cm_id *id, uint32_t qpn, int retries, int rnr);

// lib_cm_next takes one event and acknowledges it, EAGAIN if there is none.
int lib_cm_next(struct cm_lib *l, struct cm_channel *ch, struct lib_cm_event *e);

#endif
