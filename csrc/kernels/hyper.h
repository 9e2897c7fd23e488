/* Hyper-parameters of an optimiser, as Python writes them and the kernels read them. Without #include and macros, so
   that C and ffi.cdef read it as it stands, in front of api.h. */
typedef struct pa_hyper {
    double lr, weight_decay;
    double momentum, dampening; /* SGD, RMSprop */
    double beta1, beta2, eps;   /* Adam; RMSprop: beta1 is its alpha */
    bool nesterov, maximize;
    bool decoupled; /* AdamW */
    bool centered, amsgrad;
} pa_hyper;
