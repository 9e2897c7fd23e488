"""PyTorch's names that are not here, by namespace and by what the package leaves out.

Written by `make names` from PyTorch as it is installed.
"""

ABSENT: dict[str, dict[str, str]] = {
    "torch": {
        "": """
            AcceleratorError GradScaler OutOfMemoryError Tag ao asarray builtins celu_ classes clone cpp cpu
            ctypes diagonal_scatter empty_permuted fft fork frexp from_file frombuffer functional functools
            futures fx geqrf get_device_module glob gradient hash_tensor histogram histogramdd hub i0 igamma
            igammac import_ir_module import_ir_module_from_buffer inspect is_nonzero library lobpcg lu_solve
            lu_unpack masked math merge_type_from_type_comment monitor multiprocessing mvlgamma nextafter
            nonzero_static ops orgqr ormqr os package parse_ir parse_schema parse_type_comment platform
            poisson quasirandom range relu_ renorm return_types rrelu_ select_scatter selu_ serialization
            signal slice_scatter sys testing textwrap threshold_ torch torch_version types unify_type_list
            unravel_index vander vmap windows
        """,
        "complex numbers, windows and spectra": """
            angle bartlett_window blackman_window complex conj conj_physical hamming_window hann_window imag
            is_conj istft kaiser_window polar real resolve_conj stft view_as_complex view_as_complex_copy
            view_as_real
        """,
        "machinery": """
            DispatchKey Event ScriptFunction Stream SymBool SymFloat SymInt alias_copy as_strided
            as_strided_copy as_strided_scatter col_indices_copy compiler cond detach_copy diagonal_copy
            empty_strided expand_copy export get_deterministic_debug_mode indices_copy init_num_threads
            is_deterministic_algorithms_warn_only_enabled is_inference is_inference_mode_enabled is_storage
            is_warn_always_enabled narrow_copy overrides permute_copy profiler resolve_neg select_copy
            set_deterministic_debug_mode set_warn_always slice_copy split_copy split_with_sizes_copy
            squeeze_copy storage sym_float sym_int sym_ite sym_max sym_not sym_sum t_copy
            thread_safe_generator threading transpose_copy unbind_copy unfold_copy unsafe_chunk unsafe_split
            unsqueeze_copy values_copy view_as_real_copy view_copy warnings
        """,
        "sparse, quantised, named and distributed tensors, other devices and precisions": """
            crow_indices_copy dequantize distributed distributions fake_quantize_per_channel_affine
            fake_quantize_per_tensor_affine hspmm mtia nested quantization quantize_per_channel
            quantize_per_tensor quantize_per_tensor_dynamic quantized_batch_norm smm sparse
            sparse_bsc_tensor sparse_bsr_tensor sparse_compressed_tensor sparse_coo_tensor sparse_csc_tensor
            sparse_csr_tensor sspaddmm xpu
        """,
        "volumes, indices of pooling, and resized images": """
            adaptive_avg_pool1d avg_pool1d channel_shuffle conv1d conv2d conv3d conv_tbc conv_transpose1d
            conv_transpose2d conv_transpose3d native_channel_shuffle pixel_shuffle pixel_unshuffle
            quantized_max_pool1d quantized_max_pool2d
        """,
    },
    "torch.Tensor": {
        "": """
            as_subclass const_data_ptr dense_dim diagonal_scatter dim_order frexp geqrf get_device histogram
            i0_ igamma igamma_ igammac igammac_ index is_shared ldexp_ lu_solve module_load mvlgamma
            mvlgamma_ nextafter nextafter_ nonzero_static orgqr ormqr polygamma_ qscheme renorm renorm_
            select_scatter set_ slice_scatter squeeze_ sum_to_size swapaxes_ swapdims_ t_ to_dense
            to_padded_tensor transpose_ triangular_solve unsqueeze_ values
        """,
        "complex numbers, windows and spectra": """
            angle cdouble cfloat chalf conj conj_physical conj_physical_ is_conj resolve_conj stft
        """,
        "machinery": """
            apply_ as_strided_ as_strided_scatter is_inference is_neg is_pinned is_set_to map_ narrow_copy
            new_empty_strided pin_memory record_stream resize_ resize_as_ resolve_neg share_memory_ storage
            storage_offset storage_type unsafe_chunk unsafe_split untyped_storage
        """,
        "sparse, quantised, named and distributed tensors, other devices and precisions": """
            bfloat16 char coalesce col_indices crow_indices dequantize half indices int_repr ipu
            is_coalesced mtia q_per_channel_axis q_per_channel_scales q_per_channel_zero_points q_scale
            q_zero_point short smm sparse_dim sparse_mask sparse_resize_ sparse_resize_and_clear_ sspaddmm
            to_mkldnn to_sparse to_sparse_bsc to_sparse_bsr to_sparse_coo to_sparse_csc to_sparse_csr xpu
        """,
    },
    "torch.linalg": {
        "": """
            cholesky_ex eig eigvals householder_product inv_ex ldl_factor ldl_factor_ex ldl_solve lu
            lu_factor lu_factor_ex lu_solve solve_ex
        """,
    },
    "torch.special": {
        "": """
            airy_ai bessel_j0 bessel_j1 bessel_y0 bessel_y1 chebyshev_polynomial_t chebyshev_polynomial_u
            chebyshev_polynomial_v chebyshev_polynomial_w erfcx gammainc gammaincc hermite_polynomial_h
            hermite_polynomial_he i0 i0e i1 i1e laguerre_polynomial_l legendre_polynomial_p log_ndtr
            modified_bessel_i0 modified_bessel_i1 modified_bessel_k0 modified_bessel_k1 ndtri
            scaled_modified_bessel_k0 scaled_modified_bessel_k1 shifted_chebyshev_polynomial_t
            shifted_chebyshev_polynomial_u shifted_chebyshev_polynomial_v shifted_chebyshev_polynomial_w
            spherical_bessel_j0 zeta
        """,
    },
    "torch.autograd": {
        "": """
            enforce_grad_layout_policy
        """,
        "machinery": """
            set_multithreading_enabled
        """,
        "sparse, quantised, named and distributed tensors, other devices and precisions": """
            NestedIOFunction
        """,
    },
    "torch.func": {
        "": """
            debug_unwrap rearrange replace_all_batch_norm_modules_ stack_module_state
        """,
        "machinery": """
            functionalize
        """,
    },
    "torch.nn": {
        "": """
            AdaptiveLogSoftmaxWithLoss Buffer FeatureAlphaDropout LinearCrossEntropyLoss
            LinearCrossEntropyOptions SyncBatchNorm factory_kwargs
        """,
        "machinery": """
            LazyBatchNorm1d LazyLinear UninitializedBuffer UninitializedParameter
        """,
        "packed sequences and bags": """
            CTCLoss EmbeddingBag RNNBase
        """,
        "sparse, quantised, named and distributed tensors, other devices and precisions": """
            DataParallel
        """,
        "volumes, indices of pooling, and resized images": """
            AdaptiveAvgPool3d AdaptiveMaxPool3d AvgPool3d BatchNorm3d ChannelShuffle CircularPad1d
            CircularPad2d CircularPad3d ConstantPad1d ConstantPad2d ConstantPad3d Conv3d ConvTranspose3d
            Dropout1d Dropout2d Dropout3d FractionalMaxPool2d FractionalMaxPool3d InstanceNorm2d
            InstanceNorm3d LPPool1d LPPool2d LPPool3d LazyBatchNorm2d LazyBatchNorm3d LazyConv1d LazyConv2d
            LazyConv3d LazyConvTranspose1d LazyConvTranspose2d LazyConvTranspose3d LazyInstanceNorm1d
            LazyInstanceNorm2d LazyInstanceNorm3d LocalResponseNorm MaxPool3d MaxUnpool1d MaxUnpool2d
            MaxUnpool3d PixelShuffle PixelUnshuffle ReflectionPad1d ReflectionPad2d ReflectionPad3d
            ReplicationPad1d ReplicationPad2d ReplicationPad3d Softmax2d Upsample UpsamplingBilinear2d
            UpsamplingNearest2d ZeroPad1d ZeroPad2d ZeroPad3d
        """,
    },
    "torch.nn.functional": {
        "": """
            ScalingType SwizzleType feature_alpha_dropout grouped_mm handle_torch_function
            has_torch_function has_torch_function_unary has_torch_function_variadic linear_cross_entropy
            scaled_grouped_mm scaled_mm
        """,
        "machinery": """
            boolean_dispatch
        """,
        "packed sequences and bags": """
            ctc_loss embedding_bag multi_head_attention_forward
        """,
        "volumes, indices of pooling, and resized images": """
            adaptive_avg_pool3d adaptive_max_pool1d_with_indices adaptive_max_pool2d_with_indices
            adaptive_max_pool3d adaptive_max_pool3d_with_indices affine_grid avg_pool3d channel_shuffle
            conv3d conv_tbc conv_transpose3d dropout1d dropout2d dropout3d fractional_max_pool2d
            fractional_max_pool2d_with_indices fractional_max_pool3d fractional_max_pool3d_with_indices
            grid_sample interpolate local_response_norm lp_pool1d lp_pool2d lp_pool3d
            max_pool1d_with_indices max_pool2d_with_indices max_pool3d max_pool3d_with_indices max_unpool1d
            max_unpool2d max_unpool3d native_channel_shuffle pixel_shuffle pixel_unshuffle upsample
            upsample_bilinear upsample_nearest
        """,
    },
    "torch.nn.init": {
        "": """
            constant dirac dirac_ eye kaiming_normal kaiming_uniform normal orthogonal uniform xavier_normal
            xavier_uniform
        """,
        "sparse, quantised, named and distributed tensors, other devices and precisions": """
            sparse sparse_
        """,
    },
    "torch.nn.utils": {
        "": """
            clip_grad_norm clip_grads_with_norm_ fuse_linear_bn_eval fuse_linear_bn_weights get_total_norm
            remove_spectral_norm remove_weight_norm skip_init spectral_norm weight_norm invert_permutation
        """,
        "packed sequences and bags": """
            PackedSequence pack_padded_sequence pack_sequence pad_packed_sequence unpack_sequence
        """,
        "volumes, indices of pooling, and resized images": """
            convert_conv2d_weight_memory_format convert_conv3d_weight_memory_format fuse_conv_bn_eval
            fuse_conv_bn_weights
        """,
    },
    "torch.optim": {
        "": """
            Adafactor Muon swap_in_optimizer_params_and_state
        """,
        "sparse, quantised, named and distributed tensors, other devices and precisions": """
            SparseAdam
        """,
    },
    "torch.utils.data": {
        "": """
            IterDataPipe MapDataPipe get_worker_info
        """,
        "sparse, quantised, named and distributed tensors, other devices and precisions": """
            DistributedSampler
        """,
        "volumes, indices of pooling, and resized images": """
            default_convert
        """,
    },
}
