"""Which axes are averaged over in the backbones of KerasHub, built from small configurations without weights.

Run by `tests/test_backends.py`, because KerasHub is installed by the extra `backends` only. The table is written by
hand, from each layer's equation: what stands for inputs is averaged. `None` is for what is no kernel, and for kernels
of KerasHub's own layers that no optimizer can know (stacked experts): they are left alone, and a warning says so.
"""

import re
import warnings

import keras_hub
import pytest

from gc_tutorial.optimizers import layer_axes

TEXT = {"vocabulary_size": 11, "num_layers": 1, "hidden_dim": 4, "intermediate_dim": 6}
HEADS = {**TEXT, "num_heads": 2}
GROUPED = {**TEXT, "num_query_heads": 2, "num_key_value_heads": 1}
EXPERTS = {**GROUPED, "num_experts": 3, "top_k": 2}
IMAGE = {"image_shape": (16, 16, 3)}

# In every backbone: (end of a variable's path, axes)
COMMON = [
    (r"/(bias|embeddings)", None),
    (r"/reverse_embeddings", [0]),  # (features, vocabulary)
    (r"(feedforward|mlp|intermediate|output|gate|pooled|router)\w*_dense/kernel", [0]),
]
QKV_FEATURES_FIRST = [(r"/(query|key|value)(_dense)?/kernel", [0])]  # (features, heads, size)
OUTPUT_OF_HEADS = [(r"/attention_output/kernel", [0, 1])]  # (heads, size, features)
ATTENTION = [*QKV_FEATURES_FIRST, *OUTPUT_OF_HEADS]

# Backbone: (configuration, [(pattern for the path's end, axes)]), besides COMMON
BACKBONES = {
    "GemmaBackbone": (
        {**GROUPED, "head_dim": 2},
        [
            (r"/(query|key|value)/kernel", [1]),  # btd,ndh->btnh
            *OUTPUT_OF_HEADS,
            (r"/ffw_(gating|gating_2|linear)/kernel", [0]),
        ],
    ),
    "Gemma3Backbone": (
        {**GROUPED, "image_size": 16, "head_dim": 2},
        [
            (r"/(query|key|value)/kernel", [1]),  # btd,ndh->btnh
            *OUTPUT_OF_HEADS,
            (r"/ffw_(gating|gating_2|linear)/kernel", [0]),
        ],
    ),
    "Qwen3_5Backbone": (
        {
            **GROUPED,
            "num_layers": 2,
            "head_dim": 4,
            "layer_types": ["linear_attention", "full_attention"],
            "linear_num_key_heads": 1,
            "linear_num_value_heads": 2,
            "linear_key_head_dim": 4,
            "linear_value_head_dim": 4,
            "partial_rotary_factor": 0.5,
        },
        [
            *ATTENTION,
            (r"/(in_proj_\w+|out_proj)/kernel", [0]),
            (r"/conv1d_kernel", None),  # (channels, taps): a depthwise convolution, under a name that does not say it
        ],
    ),
    "WhisperBackbone": (
        {**HEADS, "num_mels": 3, "max_encoder_sequence_length": 8, "max_decoder_sequence_length": 6},
        [*ATTENTION, (r"/encoder_token_embedding_conv_layer_\d/kernel", [0, 1])],
    ),
    "LlamaBackbone": (GROUPED, ATTENTION),
    "MistralBackbone": (GROUPED, ATTENTION),
    "Phi3Backbone": (GROUPED, ATTENTION),
    "MixtralBackbone": (EXPERTS, [*ATTENTION, (r"/expert_feedforward_\w+", None)]),  # (experts, inputs, outputs)
    "QwenMoeBackbone": (
        {**EXPERTS, "moe_intermediate_dim": 3, "shared_expert_intermediate_dim": 3},
        [*ATTENTION, (r"/expert_feedforward_\w+", None)],
    ),
    "GptOssBackbone": (EXPERTS, [*ATTENTION, (r"/(gate_up_proj|down_proj)(_bias)?", None), (r"/sinks", None)]),
    "BloomBackbone": (HEADS, QKV_FEATURES_FIRST),
    "FalconBackbone": (
        {**TEXT, "num_attention_heads": 2},
        [*QKV_FEATURES_FIRST, (r"/dense_(h_to_4h|4h_to_h)/kernel", [0])],
    ),
    "GPTNeoXBackbone": (
        {**HEADS, "hidden_dim": 8},
        [(r"/query_key_value/kernel", [0]), (r"/attention_output/kernel", [0])],  # abc,cd->abd
    ),
    "GPT2Backbone": ({**HEADS, "max_sequence_length": 8}, ATTENTION),
    "OPTBackbone": ({**HEADS, "max_sequence_length": 8}, ATTENTION),
    "BertBackbone": ({**HEADS, "max_sequence_length": 8}, ATTENTION),
    "BartBackbone": ({**HEADS, "max_sequence_length": 8}, ATTENTION),
    "AlbertBackbone": (
        {**HEADS, "embedding_dim": 3, "max_sequence_length": 8},
        [*ATTENTION, (r"/?embedding_projection/kernel", [0])],
    ),
    "FNetBackbone": (
        {**TEXT, "max_sequence_length": 8},
        [(r"embedding_projection/kernel", [0])],
    ),
    "XLNetBackbone": (
        HEADS,
        [
            (r"/rel_attn/(query|key|value|encoding)/kernel", [0]),
            (r"/rel_attn/attention_output/kernel", [1, 2]),  # ibnd,hnd->ibh
            (r"/(\w+_attention_bias|segment_encoding|mask_emb)", None),
        ],
    ),
    "T5Backbone": (HEADS, [(r"/\w+_projector/kernel", [0])]),
    "ViTBackbone": (
        {**IMAGE, "patch_size": 8, "num_layers": 1, "num_heads": 2, "hidden_dim": 4, "mlp_dim": 6},
        [
            *ATTENTION,
            (r"/patch_embedding/kernel", [0, 1, 2]),
            (r"/mlp/dense\w*/kernel", [0]),
            (r"/(class_token|position_embedding)", None),
        ],
    ),
    "MiTBackbone": (
        {
            **IMAGE,
            "layerwise_depths": [1, 1],
            "num_layers": 2,
            "layerwise_num_heads": [1, 2],
            "layerwise_sr_ratios": [2, 1],
            "max_drop_path_rate": 0.1,
            "layerwise_patch_sizes": [7, 3],
            "layerwise_strides": [4, 2],
            "hidden_dims": [4, 8],
        },
        [(r"/dense\w*/kernel", [0]), (r"/depthwise_conv2d\w*/kernel", [0, 1]), (r"/conv2d\w*/kernel", [0, 1, 2])],
    ),
    "EfficientNetBackbone": (
        {
            "input_shape": (32, 32, 3),
            "stackwise_kernel_sizes": [3, 3],
            "stackwise_num_repeats": [1, 2],
            "stackwise_input_filters": [8, 8],
            "stackwise_output_filters": [8, 16],
            "stackwise_expansion_ratios": [1, 4],
            "stackwise_squeeze_and_excite_ratios": [0.0, 0.25],
            "stackwise_strides": [1, 2],
            "stackwise_block_types": ["fused", "unfused"],
            "width_coefficient": 1.0,
            "depth_coefficient": 1.0,
        },
        [(r"_dwconv2/kernel", [0, 1]), (r"_(conv|se_reduce|se_expand)/kernel", [0, 1, 2])],
    ),
    "SwinTransformerBackbone": (
        {"image_shape": (32, 32, 3), "embed_dim": 4, "depths": [1, 1], "num_heads": [1, 2], "window_size": 4},
        [
            (r"/conv_projection/kernel", [0, 1, 2]),
            (r"/(attention_qkv|attention_projection|fc[12]|reduction)/kernel", [0]),
            (r"/relative_position_bias_table", None),
        ],
    ),
    "DenseNetBackbone": ({"image_shape": (32, 32, 3), "stackwise_num_repeats": [1, 1]}, [(r"conv/kernel", [0, 1, 2])]),
    "XceptionBackbone": (
        {
            "image_shape": (32, 32, 3),
            "stackwise_conv_filters": [[4, 4], [4, 4]],
            "stackwise_pooling": [True, False],
        },
        [
            (r"conv\d/kernel", [0, 1, 2]),
            (r"/depthwise_kernel", [0, 1]),
            (r"/pointwise_kernel", [0, 1, 2]),
        ],
    ),
    "RWKV7Backbone": (
        {"hidden_size": 8, "head_size": 4, "num_layers": 1, "vocabulary_size": 11, "intermediate_dim": 6},
        [
            (r"/(receptance|key|value|output_layer|dense_[kv]|head)/kernel", [0]),  # Dense
            (r"/([wag][12]|r_k)", None),  # parts of a gate and of a bonus, under names that say nothing
        ],
    ),
    "ViTDetBackbone": (
        {
            "image_shape": (32, 32, 3),
            "patch_size": 16,
            "num_layers": 1,
            "num_heads": 2,
            "hidden_size": 4,
            "intermediate_dim": 6,
            "global_attention_layer_indices": [0],
            "window_size": 2,
        },
        [
            (r"/(rel_pos_[hw]|pos_embed\w*)", None),
            (r"/dense\w*/kernel", [0]),
            (r"/conv2d\w*/kernel", [0, 1, 2]),
        ],
    ),
}


@pytest.mark.parametrize("name", BACKBONES)
def test_the_axes_of_a_backbone(name):
    configuration, own = BACKBONES[name]
    model = getattr(keras_hub.models, name)(**configuration)
    ranks = {variable.path: len(variable.shape) for variable in model.trainable_variables}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        found = layer_axes(model)
    for path, axes in found.items():
        if ranks[path] < 2:
            assert axes is None, path
            continue
        wanted = [one for pattern, one in [*own, *COMMON] if re.search(f"{pattern}$", f"/{path}")]
        assert wanted, f"{path} is not in the table"
        assert axes == wanted[0], path
    assert any(found.values())


def test_what_cannot_be_known_is_said():
    model = keras_hub.models.MixtralBackbone(**EXPERTS)
    with pytest.warns(UserWarning, match=r"leaves .*/expert_feedforward_gate_dense \(3, 4, 6\)"):
        layer_axes(model)
